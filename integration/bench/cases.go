package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// benchCase is one thing that is measured.
type benchCase struct {
	name  string
	ops   int // per run
	mount *mount
	setup func(dir string) error            // once for each directory
	run   func(dir string, round int) error // is timed
	after func() error                      // not timed, may be nil
}

// leaves is how many folders the objects are spread over.
const leaves = 64

// key names object n of a run. Runs never share names, so no cache knows them.
func key(run string, n int) string {
	leaf := n % leaves
	hash := fmt.Sprintf("%02x%02x%x", leaf, leaf, sha256.Sum256(fmt.Appendf(nil, "%s %d", run, n)))[:64]
	return fmt.Sprintf("%02x/%02x/sstate:bench:core2-64-poky-linux:1.0:r0:core2-64:14:%s_package.tar.zst", leaf, leaf, hash)
}

// cases are what `make bench` shows.
func (b *bench) cases() []benchCase {
	names, objects, size := 20000, 300, 1<<20
	if b.o.quick {
		names, objects, size = 4000, 60, 256<<10
	}
	through, queue, indexed := b.mounts["through"], b.mounts["queue"], b.mounts["indexed"]
	stat := func(run string, threads int) func(string, int) error {
		return func(dir string, round int) error { return statAbsent(dir, run, round, names, threads) }
	}
	fill := func(dir string) error { return fillOnce(dir, objects, size) }
	return []benchCase{
		{"stat of absent names, 1 thread", names, through, makeLeaves, stat("a", 1), nil},
		{"stat of absent names, 8 threads", names, through, makeLeaves, stat("b", 8), nil},
		{"the same with an index, 1 thread", names, indexed, makeLeaves, stat("c", 1), nil},
		{"the same with an index, 8 threads", names, indexed, makeLeaves, stat("d", 8), nil},
		{"publish, through", objects, through, makeLeaves, publisher("through", objects, size), nil},
		{"publish, queue", objects, queue, makeLeaves, publisher("queue", objects, size), func() error { return b.flush(queue) }},
		{"restore, warm cache", objects, through, fill, func(dir string, _ int) error { return restore(dir, objects) }, nil},
		{"touch", objects, through, fill, func(dir string, _ int) error { return touch(dir, objects) }, nil},
	}
}

// makeLeaves makes the folders, so that lookups go all the way.
func makeLeaves(dir string) error {
	for n := range leaves {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, key("", n))), 0o775); err != nil {
			return err
		}
	}
	return nil
}

// statAbsent asks for names that nobody has asked for before.
func statAbsent(dir, run string, round, count, threads int) error {
	var wg sync.WaitGroup
	errs := make(chan error, threads)
	for t := range threads {
		wg.Go(func() {
			for n := t; n < count; n += threads {
				var st unix.Stat_t
				name := filepath.Join(dir, key(fmt.Sprint(run, round), n))
				if err := unix.Stat(name, &st); err != unix.ENOENT {
					errs <- fmt.Errorf("stat %s: %v", name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// publisher makes BitBake's calls for an archive and its signature.
func publisher(run string, count, size int) func(string, int) error {
	content := make([]byte, size)
	return func(dir string, round int) error {
		for n := range count {
			k := key(fmt.Sprint(run, round), n)
			if err := publishSiginfo(dir, k+".siginfo", content[:6000]); err != nil {
				return err
			}
			copy(content, k)
			if err := publishArchive(dir, k, content); err != nil {
				return err
			}
		}
		return nil
	}
}

// publishArchive is the sequence of BITBAKE.md 2.1, unsigned; the second open is
// tar's child.
func publishArchive(dir, key string, content []byte) error {
	final := filepath.Join(dir, key)
	tmp := final + "abcd1234"
	if _, err := os.Stat(final); err == nil {
		return fmt.Errorf("%s exists", final)
	}
	first, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer first.Close()
	second, err := os.OpenFile(tmp, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	const part = 124 << 10 // of pzstd
	for at := 0; at < len(content); at += part {
		if _, err := second.Write(content[at:min(len(content), at+part)]); err != nil {
			return err
		}
	}
	if err := second.Close(); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o664); err != nil {
		return err
	}
	_, _ = os.Lstat(final)
	if err := os.Link(tmp, final); err != nil {
		return err
	}
	now := time.Now()
	if err := os.Chtimes(tmp, now, now); err != nil {
		return err
	}
	return os.Remove(tmp)
}

func publishSiginfo(dir, key string, content []byte) error {
	final := filepath.Join(dir, key)
	_, _ = os.Stat(final)
	_ = os.Mkdir(filepath.Dir(final), 0o777)
	tmp := filepath.Join(filepath.Dir(final), "sigtask.abcdefgh")
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o664); err != nil {
		return err
	}
	return os.Rename(tmp, final)
}

// fillOnce publishes what restore and touch use. Reading it once warms caches.
func fillOnce(dir string, count, size int) error {
	if _, err := os.Stat(filepath.Join(dir, key("warm", 0))); err == nil {
		return nil
	}
	if err := makeLeaves(dir); err != nil {
		return err
	}
	content := make([]byte, size)
	for n := range count {
		k := key("warm", n)
		copy(content, k)
		if err := publishArchive(dir, k, content); err != nil {
			return err
		}
	}
	return restore(dir, count)
}

// restore reads objects and touches them as BitBake does: by descriptor and by
// name.
func restore(dir string, count int) error {
	buf := make([]byte, 124<<10)
	for n := range count {
		name := filepath.Join(dir, key("warm", n))
		if err := readAll(name, buf); err != nil {
			return err
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0o666)
		if err != nil {
			return err
		}
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, f.Fd(), 0, 0, 0, 0, 0) // futimens(fd, NULL)
		f.Close()
		if errno != 0 {
			return errno
		}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, name, nil, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return nil
}

func readAll(name string, buf []byte) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Read(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// touch is the availability check of objects that are there.
func touch(dir string, count int) error {
	for n := range count {
		name := filepath.Join(dir, key("warm", n))
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil {
			return err
		}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, name, nil, 0); err != nil {
			return err
		}
	}
	return nil
}
