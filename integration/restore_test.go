package integration

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRestore restores on a host what another has published: every object
// comes over once, touching moves nothing.
func TestRestore(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *site) {
		maker, user := s.mount("a"), s.mount("b")
		keys := archives("glibc", 10)
		both := append(with(keys, ".siginfo"), keys...)
		s.build("archive", maker.point, both)
		user.learn()
		s.build("restore", user.point, keys).all(t, "restored", keys)
		user.mustCount("fetched.objects", len(keys), "lookups.hit", len(keys), "lookups.miss", 0, "published.objects", 0)

		again := s.build("restore", user.point, keys)
		again.all(t, "restored", keys)
		user.mustCount("fetched.objects", len(keys), "lookups.hit", len(keys), "cache.objects", len(keys))
	})
}

// TestTouchMovesNothing is touch(1): open for writing, times through the
// handle, no write. It must neither fetch nor send content.
func TestTouchMovesNothing(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		maker, user := s.mount("a"), s.mount("b")
		keys := archives("glibc", 8)
		s.build("archive", maker.point, keys)
		user.learn()
		before := inode(t, s.far(keys[0]))
		for _, key := range keys {
			s.must("touch", user.path(key))
			s.must("touch", "--no-dereference", user.path(key))
			if age := time.Since(time.Unix(0, stamp(t, user.path(key)))); age > time.Minute {
				t.Errorf("mtime after a touch is %v old", age)
			}
		}
		if inode(t, s.far(keys[0])) != before {
			t.Errorf("a touch wrote the object anew")
		}
		user.mustCount("fetched.objects", 0, "published.objects", 0, "touches.sent", 0, "lookups.hit", len(keys))
		s.must("touch", "-d", "2021-02-03 04:05:06.123456789 UTC", user.path(keys[0]))
		if got, want := stamp(t, user.path(keys[0])), int64(1612325106123456789); got != want {
			t.Errorf("mtime set by hand is %d, want %d", got, want)
		}
	})
}

// TestAvailabilityCheck asks for hundreds of names in one thread, half of them
// there.
func TestAvailabilityCheck(t *testing.T) {
	forEachLookup(t, func(t *testing.T, s *site) {
		there := archives("there", 200)
		absent := renamed(there, "there", "absent") // hashes are not unique: same folders
		s.writePlain(append(with(there, ".siginfo"), there...))
		m := s.mount("a")
		begun := time.Now()
		b := s.build("check", m.point, append(there, absent...))
		b.all(t, "found", there)
		b.all(t, "missing", absent)
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("the check of 400 names took %v", took)
		}
		m.mustCount("lookups.hit", 200, "lookups.miss", 200, "fetched.objects", 0, "remote.errors", 0)
		stats := m.stats()
		if got := stats.number(t, "lookups.by_task.package.hit") + stats.number(t, "lookups.by_task.package.miss"); got != 80 {
			t.Errorf("lookups of task package: %d, want 80", got)
		}
	})
}

// renamed are keys of the same hashes for another recipe.
func renamed(keys []string, from, to string) []string {
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = strings.Replace(key, "sstate:"+from+":", "sstate:"+to+":", 1)
	}
	return out
}

// writePlain puts objects with content that is no archive, as old as a week.
func (s *site) writePlain(keys []string) map[string]string {
	s.t.Helper()
	sums := map[string]string{}
	for _, key := range keys {
		s.put(key, "content of "+key)
		sums[key] = s.sum(key)
	}
	s.age(keys, 7*24*time.Hour)
	return sums
}

// TestSanityProbe is the file of 200 letters with which oe-core tries
// SSTATE_DIR.
func TestSanityProbe(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	a := s.self()
	probe := m.path(letters(200))
	a.do("stat", m.point)
	fd := int(integer(a.do("open", probe, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0o666)))
	a.do("fstat", fd)
	if a.do("isatty", fd) != false { // ioctl TCGETS
		t.Errorf("the probe is a terminal")
	}
	a.do("lseek", fd, 0, unix.SEEK_CUR)
	a.do("close", fd)
	a.do("unlink", probe)
	a.want("ENOENT", "stat", probe)
	if got := files(t, m.point); len(got) != 0 {
		t.Errorf("the mount holds %v", got)
	}
}

// letters makes a name of n letters.
func letters(n int) string {
	name := make([]byte, n)
	for i := range name {
		name[i] = byte('a' + i%26)
	}
	return string(name)
}

// TestDiskSpace is the disk monitor: statfs has to report the cache's disk.
func TestDiskSpace(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	a := s.self()
	got, want := a.do("statvfs", m.point), a.do("statvfs", m.cache)
	for _, field := range []string{"blocks", "files", "namemax"} {
		if number(got, field) != number(want, field) {
			t.Errorf("statvfs %s = %d, want %d of the disk", field, number(got, field), number(want, field))
		}
	}
	if number(got, "bavail") == 0 || number(got, "ffree") == 0 || number(got, "namemax") != 255 {
		t.Errorf("statvfs: %v", got)
	}
	s.must("df", m.point)
	s.must("df", "-i", m.point)
	s.must("stat", "-f", "-c", "%T", m.point)
}
