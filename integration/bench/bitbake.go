package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// part is how pzstd writes and reads.
const part = 124 << 10

// parallel calls fn for 0 to n-1 from several workers, and stops at the first
// error and with ctx.
func parallel(ctx context.Context, workers, n int, fn func(i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range workers {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := fn(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// statAbsent is the availability check of a name that is not there.
func statAbsent(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != unix.ENOENT {
		return fmt.Errorf("stat %s: %v", name, err)
	}
	return nil
}

// publish makes BitBake's calls for an archive and its signature.
func publish(dir string, o object) error {
	if err := publishArchive(dir, o.archive); err != nil {
		return err
	}
	return publishSiginfo(dir, o.siginfo)
}

// publishArchive is what sstate_create_package does, unsigned; the second open
// is tar's child.
func publishArchive(dir string, f file) error {
	final := filepath.Join(dir, f.key)
	tmp := final + "abcd1234"
	if _, err := os.Stat(final); err == nil {
		return fmt.Errorf("%s exists", final)
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o777); err != nil {
		return err
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
	if err := f.write(second); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o664); err != nil {
		return err
	}
	_, _ = os.Lstat(final)
	if err := link(tmp, final); err != nil {
		return err
	}
	now := time.Now()
	if err := os.Chtimes(tmp, now, now); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// link gives tmp its final name: by a rename where there are no hard links,
// which is more than BitBake does.
func link(tmp, final string) error {
	err := unix.Link(tmp, final)
	if err == unix.ENOSYS || err == unix.EPERM || err == unix.EOPNOTSUPP {
		return os.Rename(tmp, final)
	}
	if err != nil {
		return &os.LinkError{Op: "link", Old: tmp, New: final, Err: err}
	}
	return nil
}

// publishSiginfo is what siggen.dump_sigfile does.
func publishSiginfo(dir string, f file) error {
	final := filepath.Join(dir, f.key)
	_, _ = os.Stat(final)
	_ = os.Mkdir(filepath.Dir(final), 0o777)
	tmp := filepath.Join(filepath.Dir(final), fmt.Sprintf("sigtask.%x", f.head[:14]))
	w, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := f.write(w); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o664); err != nil {
		return err
	}
	return os.Rename(tmp, final)
}

// write writes the content in parts and closes.
func (f file) write(w *os.File) error {
	_, err := w.Write(f.head[:])
	for _, b := range f.parts {
		for at := 0; at < len(b) && err == nil; at += part {
			_, err = w.Write(b[at:min(len(b), at+part)])
		}
	}
	if e := w.Close(); err == nil {
		err = e
	}
	return err
}

// available is the availability check of an object that is there and has no
// .sig.
func available(dir string, o object) error {
	archive := filepath.Join(dir, o.archive.key)
	if err := touch(archive); err != nil {
		return err
	}
	if err := statAbsent(archive + ".sig"); err != nil {
		return err
	}
	return touch(filepath.Join(dir, o.siginfo.key))
}

// touch looks a file up and says that it is used.
func touch(name string) error {
	if err := stat(name); err != nil {
		return err
	}
	return use(name)
}

func stat(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return fmt.Errorf("stat %s: %w", name, err)
	}
	return nil
}

// use says that a file is used.
func use(name string) error {
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, name, nil, 0); err != nil {
		return fmt.Errorf("utimensat %s: %w", name, err)
	}
	return nil
}

// restore looks for an archive, reads it and touches what is there of the
// object, as a setscene task does.
func restore(dir string, o object, buf []byte) error {
	name := filepath.Join(dir, o.archive.key)
	for range 2 {
		if err := stat(name); err != nil {
			return err
		}
	}
	if err := readAll(name, o.archive, buf); err != nil {
		return err
	}
	if err := touchTwice(name); err != nil {
		return err
	}
	if err := statAbsent(name + ".sig"); err != nil {
		return err
	}
	return touchTwice(filepath.Join(dir, o.siginfo.key))
}

// touchTwice is touch and touch --no-dereference.
func touchTwice(name string) error {
	w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0o666)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, w.Fd(), 0, 0, 0, 0, 0) // futimens(fd, NULL)
	w.Close()
	if errno != 0 {
		return errno
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, name, nil, unix.AT_SYMLINK_NOFOLLOW)
}

// readAll reads a file and believes neither its length nor its beginning.
func readAll(name string, f file, buf []byte) error {
	r, err := os.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	size := 0
	for {
		n, err := r.Read(buf)
		if size == 0 && (n < len(f.head) || [32]byte(buf[:32]) != f.head) {
			return fmt.Errorf("%s: wrong content", name)
		}
		size += n
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if size != f.size() {
		return fmt.Errorf("%s: %d bytes instead of %d", name, size, f.size())
	}
	return nil
}
