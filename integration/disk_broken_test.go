package integration

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// brokenDisk is a mount on a disk that breaks.
type brokenDisk struct {
	*outage
	disk  *faultyDisk
	known map[string]string // on the remote before
}

func newBrokenDisk(t *testing.T, flags ...string) *brokenDisk {
	t.Helper()
	s := newSite(t)
	b := &brokenDisk{disk: s.faultyDisk("cache-a"), known: map[string]string{}}
	b.outage = newOutage(t, s, root, flags...)
	for _, name := range s.names() {
		b.known[name] = s.sum(name)
	}
	return b
}

// serves checks that what the cache and the remote hold can be used, and that
// the mount answers.
func (b *brokenDisk) serves() {
	b.t.Helper()
	b.s.build("restore", b.m.point, b.cached).all(b.t, "restored", b.cached)
	b.s.build("restore", b.m.point, b.far).all(b.t, "restored", b.far)
	b.m.holds(b.known)
	absent := archives("absent", 20)
	b.s.build("check", b.m.point, absent).all(b.t, "missing", absent)
	b.m.status()
}

// recovers checks that all is well again without a restart, and after one.
func (b *brokenDisk) recovers(queued map[string]string) {
	b.t.Helper()
	b.m.flush()
	b.s.sharesAll(queued)
	keys := archives("after", 4)
	b.s.build("build", b.m.point, keys).all(b.t, "published", keys)
	b.s.build("build", b.m.point, keys).all(b.t, "restored", keys)
	b.m.holds(b.known)
	b.m.stop()
	b.m.restart()
	b.m.holds(b.known)
	if len(queued) > 0 {
		b.m.holds(queued)
	}
	b.s.sharesAll(b.known)
	b.m.mustCount("queue.objects", 0, "queue.held", 0)
	if left := files(b.t, filepath.Join(b.m.cache, "fetch")); len(left) > 0 {
		b.t.Errorf("downloads left behind: %v", left)
	}
	b.m.stop()
	b.disk.end()
}

// TestDiskBreaks has the cache's disk refuse all changes, as a file system does
// that found an error, or all new content, as one that others have filled. What is
// here and what is far is served, nothing is published, what was acknowledged is
// sent, and later all is well.
func TestDiskBreaks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode, name string
		errno      syscall.Errno
		what       string
	}{
		{"through", "EROFS", syscall.EROFS, changes},
		{"queue", "EIO", syscall.EIO, changes},
		{"queue", "ENOSPC", syscall.ENOSPC, growth},
	} {
		t.Run(c.mode+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			b := newBrokenDisk(t, "--publish="+c.mode)
			waits := archives("waits", 3)
			b.s.hide()
			queued := b.s.build("build", b.m.point, waits)
			queued.all(t, "published", waits)
			b.disk.refuse(c.errno, c.what)
			b.s.show()
			eventually(t, startLimit, "what was acknowledged is sent", func() bool { return b.m.count("queue.objects") == 0 })
			b.s.sharesAll(queued.acknowledged())
			b.serves()
			b.a.want(c.name, "open", b.m.path("new"), syscall.O_CREAT|syscall.O_WRONLY, 0o666)
			b.a.want(c.name, "mkdir", b.m.path("folder"), 0o777)
			b.disk.heal()
			b.recovers(queued.acknowledged())
		})
	}
}

// TestDiskLosesObjects has the disk fail to read what is cached: trim --verify
// finds it, and the next use fetches it again.
func TestDiskLosesObjects(t *testing.T) {
	t.Parallel()
	b := newBrokenDisk(t)
	b.disk.refuse(syscall.EIO, reads)
	r := b.s.run(root, binary, "trim", "--verify", "--json", b.m.point)
	found := parseFacts(t, r.stdout)
	if n := found.number(t, "verified.damaged.objects"); r.code != 1 || n != int64(len(b.cached)) {
		t.Errorf("trim --verify: exit %d, %d lost, want 1 and %d: %s", r.code, n, len(b.cached), r.stderr)
	}
	b.disk.heal()
	before := b.m.count("fetched.objects")
	b.serves()
	if n := b.m.count("fetched.objects") - before; n < int64(len(b.cached)) {
		t.Errorf("%d objects were fetched again, want %d", n, len(b.cached))
	}
	b.recovers(nil)
}

// TestBitFlipsAfterKill damages what is cached in every way while the daemon is
// dead: none of it is served, all is fetched again, and what is damaged is kept for
// a look.
func TestBitFlipsAfterKill(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.mount("a")
	far := archives("far", 8)
	want := s.fill(far...)
	m.holds(want)
	m.kill()
	for i, key := range far {
		spoil(t, filepath.Join(m.cache, "objects", key), i)
	}
	m.restart()
	m.holds(want)
	s.shares(want)
	// What is cut off may count as replaced by the remote's, which has another size.
	if aside := files(t, filepath.Join(m.cache, "broken")); len(aside) < len(far)*3/4 {
		t.Errorf("%d objects were set aside, want %d at least", len(aside), len(far)*3/4)
	}
}

// spoil damages a file in place, in one of four ways.
func spoil(t *testing.T, path string, way int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch way % 4 {
	case 0:
		content[len(content)/2] ^= 4
	case 1:
		content = content[:len(content)/2]
	case 2:
		clear(content)
	case 3:
		clear(content[len(content)/2:])
	}
	if err := os.WriteFile(path, content, 0o664); err != nil {
		t.Fatal(err)
	}
}
