package integration

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"sstatefs/integration/proxy"
)

// TestReadsWhileItComes reads the beginning of an object whose body stands still
// in its middle. Who waits for the rest can be killed, who stays gets it: the
// transfer goes on where it broke off, once for all.
func TestReadsWhileItComes(t *testing.T) {
	onRemotes(t, near(), func(t *testing.T, s *site) {
		st := newFlow(t, s)
		fd := st.begins()
		st.a.do("fstat", fd)
		all, late := s.self(), s.client("read of what has not come")
		late.begin("pread", late.open(st.path, unix.O_RDONLY), 10, 3<<20)
		all.begin("digest", st.path)
		kills(t, []*client{late}, unix.SIGKILL)
		st.p.Heal()
		if got, _ := all.finish(); got != st.sum {
			t.Errorf("read to the end: %v, want %s", got, st.sum)
		}
		if n := st.p.Counts()[http.MethodGet] - st.gets; n > 2 {
			t.Errorf("%d requests, want one and what was left of it", n)
		}
		st.m.holds(map[string]string{st.key: st.sum})
	})
}

// TestStreamBreaks: who has read a part of an object that cannot be had whole
// gets errors from then on, also for that part, and the next open begins anew.
func TestStreamBreaks(t *testing.T) {
	onRemotes(t, near(), func(t *testing.T, s *site) {
		st := newFlow(t, s)
		fd := st.begins()
		st.p.Set(proxy.Status(http.StatusForbidden).On(http.MethodGet))
		if _, errno := st.a.call("pread", fd, 10, 3<<20); errno != "EIO" {
			t.Errorf("read of what never comes: %q, want EIO", errno)
		}
		eventually(t, startLimit, "what was read is forgotten", func() bool {
			_, errno := st.a.call("pread", fd, 10, 0)
			return errno == "EIO"
		})
		st.p.Heal()
		st.m.holds(map[string]string{st.key: st.sum})
		if _, errno := st.a.call("pread", fd, 10, 0); errno != "EIO" {
			t.Errorf("read of the old handle: %q, want EIO", errno)
		}
	})
}

// TestStreamIsCut breaks the connection after every MiB of an object that is read
// while it comes: it goes on where it broke off, by itself.
func TestStreamIsCut(t *testing.T) {
	for name, fault := range map[string]proxy.Fault{"cut short": proxy.Drop(1 << 20), "reset": proxy.Reset(1 << 20)} {
		t.Run(name, func(t *testing.T) {
			onRemotes(t, near(), func(t *testing.T, s *site) {
				st := newFlow(t, s)
				st.p.Set(fault.On(http.MethodGet))
				got := fmt.Sprint(st.a.do("follow", st.path, st.local))
				if want := fmt.Sprint([]any{true, flowBytes, "end"}); got != want {
					t.Errorf("read %s, want %s", got, want)
				}
				if st.p.Hit() == 0 {
					t.Error("nothing was cut")
				}
				st.p.Heal()
				st.m.holds(map[string]string{st.key: st.sum})
			})
		})
	}
}

// flowBytes is the size of the object of a flow.
const flowBytes = 4 << 20

// flow is a mount that knows a large object, behind a proxy.
type flow struct {
	s              *site
	p              *proxy.Proxy
	m              *mount
	a              *actor
	key, sum, path string
	local          string // where its content is, too
	gets           int    // requests before the object was asked for
}

func newFlow(t *testing.T, s *site) *flow {
	t.Helper()
	st := &flow{s: s, key: archives("flowing", 1)[0], a: s.self()}
	content := make([]byte, flowBytes)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	st.local = filepath.Join(s.mkdir("large", 0o755), "content")
	if err := os.WriteFile(st.local, content, 0o644); err != nil {
		t.Fatal(err)
	}
	st.sum = sum(st.local)
	other := s.mount("b") // what is published has an ETag on every server
	st.a.do("makedirs", other.path(filepath.Dir(st.key)))
	st.a.do("copy", st.local, other.path(st.key+"abcd1234"))
	st.a.do("link", other.path(st.key+"abcd1234"), other.path(st.key))
	other.stop()
	st.p = s.breakable()
	st.m = s.mount("a")
	st.m.refresh()
	st.path = st.m.path(st.key)
	st.a.do("stat", st.path)
	return st
}

// begins opens the object, of which only two MiB come, and reads the first one.
func (st *flow) begins() (fd int) {
	st.s.t.Helper()
	st.gets = st.p.Counts()[http.MethodGet]
	st.p.Set(proxy.Stall(2 << 20).On(http.MethodGet))
	fd = st.a.open(st.path, unix.O_RDONLY)
	if got := st.a.do("pread", fd, 1<<20, 0).(string); len([]rune(got)) != 1<<20 {
		st.s.t.Errorf("read %d bytes of the first MiB", len([]rune(got)))
	}
	return fd
}
