package remotetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"sstatefs/remote"
)

// What a child of the tests is told.
const (
	childAddress = "SSTATEFS_REMOTETEST_ADDRESS"
	childKey     = "SSTATEFS_REMOTETEST_KEY"
)

// killSize is what the child announces, and killAt what it sends before it is
// killed, in bytes. The latter is more than any backend holds back before it
// writes.
const (
	killSize = 32 << 20
	killAt   = 24 << 20
)

// Child must be called by TestMain of a package that runs the Suite with an
// Address. In the test process it returns at once. In a child that the Suite
// has started it opens the remote, begins to put an object and waits to be
// killed.
func Child(open remote.Opener) {
	address := os.Getenv(childAddress)
	if address == "" {
		return
	}
	ctx := context.Background()
	r, err := open(ctx, address, remote.OpenOptions{})
	if err == nil {
		src := badSource{size: killSize, content: Pattern(killAt, 9), at: waitForKill}
		err = r.Put(ctx, remote.Key(os.Getenv(childKey)), src, remote.PutOptions{Create: true})
	}
	fmt.Fprintln(os.Stderr, "child of remotetest:", err)
	os.Exit(1)
}

// waitForKill tells the parent, and ends with it.
func waitForKill() {
	fmt.Println("reading")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// testKilled: what a killed writer leaves is invisible and can be removed.
func testKilled(s *suite) {
	if s.Address == "" {
		s.Skip("this remote lives in the process")
	}
	key := Key(1)
	s.killWriter(key)
	s.wantAbsent(key)
	for _, info := range s.leftovers() {
		s.wantAbsent(info.Key)
		if err := s.r.Touch(s.ctx, info.Key, s.Now()); s.touches() && !errors.Is(err, remote.ErrNotExist) {
			s.Errorf("Touch of leftover %q = %v, want %v", info.Key, err, remote.ErrNotExist)
		}
		if err := s.r.Delete(s.ctx, info.Key); err != nil {
			s.Errorf("Delete of leftover %q = %v", info.Key, err)
		}
	}
	s.wantNoLeftovers()
	s.create(key, []byte("the next try"))
	s.wantContent(key, []byte("the next try"))
}

// killWriter lets a child write half an object and kills it.
func (s *suite) killWriter(key remote.Key) {
	s.Helper()
	child := exec.CommandContext(s.ctx, os.Args[0])
	child.Env = append(os.Environ(), append(s.Env, childAddress+"="+s.Address, childKey+"="+string(key))...)
	var stderr bytes.Buffer
	child.Stderr = &stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		s.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := child.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := child.Start(); err != nil {
		s.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	_ = child.Process.Kill() // SIGKILL
	_ = child.Wait()
	if strings.TrimSpace(line) != "reading" {
		s.Fatalf("child said %q, %v, %s", line, err, &stderr)
	}
}
