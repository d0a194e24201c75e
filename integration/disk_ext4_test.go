package integration

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// An ext4Disk is a file system of the kernel in a file.
type ext4Disk struct {
	s          *site
	image, dir string
}

// ext4 makes such a disk and mounts it on a folder of the site.
func (s *site) ext4(name string) *ext4Disk {
	s.t.Helper()
	needsRoot(s.t)
	d := &ext4Disk{s: s, image: s.path(name + ".img"), dir: s.mkdir(name, 0o775)}
	f, err := os.Create(d.image)
	if err == nil {
		err = f.Truncate(64 << 20)
		f.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.must("mkfs.ext4", "-q", "-m", "0", d.image)
	d.mount()
	s.disks = append(s.disks, d.dir)
	return d
}

func (d *ext4Disk) mount() {
	d.s.t.Helper()
	d.s.must("mount", "-o", "loop,errors=remount-ro", d.image, d.dir)
}

// abort has the kernel do what it does when it finds an error on the disk: there
// are no more changes, and what was not committed is lost.
func (d *ext4Disk) abort() {
	d.s.t.Helper()
	d.s.must("mount", "-o", "remount,abort", d.dir)
}

// repair unmounts the disk, which nobody uses any more, checks it and mounts it
// again.
func (d *ext4Disk) repair() {
	d.s.t.Helper()
	eventually(d.s.t, startLimit, "nobody uses the disk", func() bool { return unix.Unmount(d.dir, 0) == nil })
	if r := d.s.run(root, "e2fsck", "-fy", d.image); r.code > 1 { // 1: repaired
		d.s.t.Fatalf("e2fsck: exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	d.mount()
}

// TestExt4TurnsReadOnly: what ext4 does when its disk fails. What is here and what
// is far is served, nothing is published, what was acknowledged is sent; and the
// daemon after the repair finds what the disk has kept, whole.
func TestExt4TurnsReadOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	disk := s.ext4("cache-a")
	b := &brokenDisk{known: map[string]string{}, outage: newOutage(t, s, root, "--publish=queue")}
	for _, name := range s.names() {
		b.known[name] = s.sum(name)
	}
	waits := archives("waits", 3)
	s.hide()
	queued := s.build("build", b.m.point, waits)
	queued.all(t, "published", waits)
	disk.abort()
	s.show()
	eventually(t, startLimit, "what was acknowledged is sent", func() bool { return b.m.count("queue.objects") == 0 })
	s.sharesAll(queued.acknowledged())
	b.serves()
	b.a.want("EROFS", "open", b.m.path("new"), syscall.O_CREAT|syscall.O_WRONLY, 0o666)
	b.a.want("EROFS", "mkdir", b.m.path("folder"), 0o777)

	b.m.kill()
	if err := unix.Unmount(b.m.point, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	disk.repair()
	b.m.restart()
	b.m.holds(b.known)
	b.m.holds(queued.acknowledged())
	b.m.flush()
	s.sharesAll(b.known)
	s.sharesAll(queued.acknowledged())
	keys := archives("after", 4)
	s.build("build", b.m.point, keys).all(t, "published", keys)
	b.m.mustCount("queue.held", 0)
	b.m.stop()
}
