package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// archives makes the keys of n archives of a recipe. Every fourth is native and
// so below an extra folder.
func archives(recipe string, n int) []string {
	tasks := []string{"populate_sysroot", "package", "packagedata", "deploy_rpm", "package_qa"}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = archive(recipe, tasks[i%len(tasks)], i)
		if i%4 == 3 {
			keys[i] = "universal/" + keys[i]
		}
	}
	return keys
}

// archive makes the key of one archive.
func archive(recipe, task string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", recipe, task, n))
	hash := hex.EncodeToString(sum[:])
	return fmt.Sprintf("%s/%s/sstate:%s:core2-64-poky-linux:1.3+git0:r0:core2-64:14:%s_%s.tar.zst",
		hash[:2], hash[2:4], recipe, hash, task)
}

// with adds a suffix to keys.
func with(keys []string, suffix string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k + suffix
	}
	return out
}

// build is a run of build.py.
type build struct {
	s    *site
	cmd  *exec.Cmd
	out  bytes.Buffer
	errs bytes.Buffer
	log  string // what was acknowledged
	end  context.CancelFunc
}

// buildTimeout bounds one run of build.py.
const buildTimeout = 2 * time.Minute

// begin starts build.py on a folder under a user.
func (s *site) begin(uid int, verb, root string, keys []string) *build {
	s.t.Helper()
	ctx, end := context.WithTimeout(context.Background(), buildTimeout)
	f, err := os.CreateTemp(s.dir, "acknowledged-*.log")
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	_ = f.Chmod(0o666)
	b := &build{s: s, log: f.Name(), end: end}
	b.cmd = s.command(ctx, uid, python, filepath.Join(scripts, "build.py"), verb, root, s.path("work"), b.log)
	b.cmd.Stdin = strings.NewReader(strings.Join(keys, "\n") + "\n")
	b.cmd.Stdout, b.cmd.Stderr = &b.out, &b.errs
	if err := b.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(end)
	return b
}

// finish waits for a build and returns the outcome of each key. A build that
// failed fails the test.
func (b *build) finish() map[string]string {
	b.s.t.Helper()
	defer b.end()
	if err := b.cmd.Wait(); err != nil {
		b.s.t.Fatalf("%s: %v\n%s", strings.Join(b.cmd.Args[2:4], " "), err, b.errs.String())
	}
	return b.outcomes()
}

func (b *build) outcomes() map[string]string {
	all := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(b.out.String()), "\n") {
		key, outcome, _ := strings.Cut(line, " ")
		all[key] = outcome
	}
	return all
}

// acknowledged is what the build was told is published: sha256 by key. A line
// that a kill cut off is none.
func (b *build) acknowledged() map[string]string {
	b.s.t.Helper()
	text, err := os.ReadFile(b.log)
	if err != nil {
		b.s.t.Fatal(err)
	}
	all := map[string]string{}
	for _, line := range strings.SplitAfter(string(text), "\n") {
		if key, sum, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok && strings.HasSuffix(line, "\n") {
			all[key] = sum
		}
	}
	return all
}

// build runs build.py to its end as the user of the test.
func (s *site) build(verb, root string, keys []string) *build {
	s.t.Helper()
	return s.buildAs(os.Getuid(), verb, root, keys)
}

func (s *site) buildAs(uid int, verb, root string, keys []string) *build {
	s.t.Helper()
	b := s.begin(uid, verb, root, keys)
	b.finish()
	return b
}

// all checks that every key came to the same end.
func (b *build) all(t *testing.T, want string, keys []string) {
	t.Helper()
	got := b.outcomes()
	bad := 0
	for _, key := range keys {
		if got[key] == want {
			continue
		}
		if bad++; bad <= 3 {
			t.Errorf("%s %s: %q, want %q", b.cmd.Args[2], key, got[key], want)
		}
	}
	if bad > 3 {
		t.Errorf("%s: %d of %d keys are not %q", b.cmd.Args[2], bad, len(keys), want)
	}
}
