package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"sstatefs/sstate"
)

// killedWriter writes the first bytes of a file under another name and is killed,
// before or after it closes that.
const killedWriter = `
import os, signal, sys
source, name, size, close = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()[:int(size)]
os.makedirs(os.path.dirname(name), exist_ok=True)
fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o664)
os.write(fd, data)
if close == "close":
    os.close(fd)
os.kill(os.getpid(), signal.SIGKILL)
`

// TestKilledWriter: a process that writes an object under its own name and is
// killed in the midst publishes nothing, also where the content does not tell
// that it is cut; one that is killed after its close has published all.
func TestKilledWriter(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	archive, file := s.sample("killed", 1)
	siginfo, sig := archive+sstate.SideSiginfo, archive+sstate.SideSig
	s.build("archive", filepath.Dir(filepath.Dir(filepath.Dir(file))), []string{siginfo})
	if err := os.WriteFile(file+sstate.SideSig, []byte("a detached signature, of which nothing tells where it ends"), 0o644); err != nil {
		t.Fatal(err)
	}
	write := func(key string, size int64, how string) {
		t.Helper()
		source := filepath.Join(s.path("samples"), key)
		s.run(m.uid, python, "-c", killedWriter, source, m.path(key), strconv.FormatInt(size, 10), how)
	}
	for _, key := range []string{archive, siginfo, sig} {
		whole := fileSize(filepath.Join(s.path("samples"), key))
		write(key, whole/2, "keep open")
		eventually(t, startLimit, "NAME.partial", func() bool { return fileSize(m.path(key)+".partial") == whole/2 })
		s.self().want("ENOENT", "stat", m.path(key))
	}
	s.shares(nil)
	want := map[string]string{}
	for _, key := range []string{siginfo, sig, archive} { // a signature before its archive, as BitBake does it
		write(key, 1<<30, "close")
		want[key] = sum(filepath.Join(s.path("samples"), key))
		if got := sum(m.path(key)); got != want[key] {
			t.Errorf("%s is %s, want %s", key, got, want[key])
		}
	}
	m.flush()
	s.shares(want)
}
