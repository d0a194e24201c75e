package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// actor is a process that makes system calls as it is told, under some user.
type actor struct {
	s     *site
	uid   int
	in    io.WriteCloser
	lines chan string
	end   func()
}

// actorTimeout bounds one call of an actor.
const actorTimeout = 45 * time.Second

// actor starts an actor, which ends with the test.
func (s *site) actor(uid int) *actor {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := s.command(ctx, uid, python, filepath.Join(scripts, "actor.py"))
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	a := &actor{s: s, uid: uid, in: in, lines: make(chan string)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(a.lines)
		scan := bufio.NewScanner(out)
		scan.Buffer(nil, 64<<20)
		for scan.Scan() {
			a.lines <- scan.Text()
		}
		_ = cmd.Wait()
	}()
	a.end = sync.OnceFunc(func() {
		in.Close()
		cancel()
		for range a.lines { // until the reader has closed it
		}
		<-ended
	})
	s.t.Cleanup(a.end)
	return a
}

// self is an actor under the user of the test.
func (s *site) self() *actor { s.t.Helper(); return s.actor(os.Getuid()) }

// begin makes a call and does not wait for its end.
func (a *actor) begin(name string, args ...any) {
	a.s.t.Helper()
	line, err := json.Marshal(append([]any{name}, args...))
	if err == nil {
		_, err = a.in.Write(append(line, '\n'))
	}
	if err != nil {
		a.s.t.Fatalf("actor %d: %v", a.uid, err)
	}
}

// finish waits for the end of a call and returns its value, or the name of its
// errno.
func (a *actor) finish() (any, string) {
	a.s.t.Helper()
	v, errno, done := a.poll(actorTimeout)
	if !done {
		a.s.t.Fatalf("actor %d: a call hangs", a.uid)
	}
	return v, errno
}

// poll is finish for a call that may not end within limit.
func (a *actor) poll(limit time.Duration) (v any, errno string, done bool) {
	a.s.t.Helper()
	select {
	case line, ok := <-a.lines:
		if !ok {
			a.s.t.Fatalf("actor %d died", a.uid)
		}
		var answer struct {
			OK    any
			Errno string
		}
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber() // times in nanoseconds do not fit into a float64
		if err := decoder.Decode(&answer); err != nil {
			a.s.t.Fatalf("actor %d: %v: %s", a.uid, err, line)
		}
		return answer.OK, answer.Errno, true
	case <-time.After(limit):
		return nil, "", false
	}
}

// call makes a call.
func (a *actor) call(name string, args ...any) (any, string) {
	a.s.t.Helper()
	a.begin(name, args...)
	return a.finish()
}

// do makes a call that has to succeed.
func (a *actor) do(name string, args ...any) any {
	a.s.t.Helper()
	v, errno := a.call(name, args...)
	if errno != "" {
		a.s.t.Fatalf("uid %d: %s%.300v = %s, want success", a.uid, name, args, errno)
	}
	return v
}

// want makes a call that has to fail with errno, or to succeed if that is "".
func (a *actor) want(errno, name string, args ...any) {
	a.s.t.Helper()
	if _, got := a.call(name, args...); got != errno {
		a.s.t.Errorf("uid %d: %s%.300v = %q, want %q", a.uid, name, args, got, errno)
	}
}

// open opens a file that has to be there.
func (a *actor) open(path string, flags int) int {
	a.s.t.Helper()
	return int(integer(a.do("open", path, flags, 0o666)))
}

// read reads a whole file.
func (a *actor) read(path string) string {
	a.s.t.Helper()
	return a.do("read_file", path).(string)
}

// attr is one number of stat(2).
func (a *actor) attr(path, name string) int64 {
	a.s.t.Helper()
	return number(a.do("lstat", path), name)
}

// number picks one number of an answer of stat or fstat.
func number(answer any, name string) int64 {
	return integer(answer.(map[string]any)[name])
}

func integer(v any) int64 {
	n, _ := v.(json.Number).Int64()
	return n
}
