package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
)

// An intake is a download on its way into the cache: a file in fetch/ that is
// hashed and counted while it is written.
type intake struct {
	path string
	file *os.File
	hash hash.Hash
	size int64

	refused error   // what the file said
	right   bool    // it came whole and was verified
	stream  *stream // nil for what is not read meanwhile
	sealed  uint64  // inode of what is, 0 for none
}

// takeIn verifies a body on its way into the cache.
func (s *Store) takeIn(f *fetch, body io.Reader, info remote.Info) error {
	if f.in != nil && !f.in.fits(info) {
		s.abandon(f, errOtherSize)
	}
	if f.in == nil {
		in, err := s.newIntake(info)
		if err != nil {
			return fmt.Errorf("%w: %w", errNotKept, err)
		}
		s.show(f, in)
	}
	got, err := f.in.receive(body, info)
	failpoint.Pass("fetch.received")
	if err == nil {
		f.in.right = true
		err = s.keep(f.in.path, info, got)
	}
	return err
}

// newIntake makes the file of a download. One that is read meanwhile gets its
// size and all its room now: who reads it cannot be told later that the disk is
// full.
func (s *Store) newIntake(info remote.Info) (*intake, error) {
	in := &intake{path: s.temporary(), hash: newShortHash()}
	err := s.withRoomFor(func() (err error) {
		in.file, err = os.OpenFile(in.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o664)
		return err
	})
	if err != nil {
		return nil, err
	}
	_ = in.file.Chmod(0o664) // as BitBake leaves it, whatever our umask
	if info.Size >= s.fetches.shortest() {
		err = s.withRoomFor(func() error { return extend(in.file, info.Size) })
		if err == nil {
			in.stream = &stream{info: info, last: s.fetches.end()}
			in.stream.file, err = os.Open(in.path)
		}
		if err == nil {
			s.seal(in)
		}
	}
	if err != nil {
		in.file.Close()
		os.Remove(in.path)
		return nil, err
	}
	return in, nil
}

// seal keeps who reads a download meanwhile from changing the file behind its
// verification: its name in fetch/ is one that the mount does not show.
func (s *Store) seal(in *intake) {
	in.sealed = localID(in.path).Ino
	s.queue.hidePinned(in.sealed, 1)
}

// unseal takes that name.
func (s *Store) unseal(in *intake) {
	defer s.queue.change(in.sealed)()
	os.Remove(in.path)
	s.queue.hidePinned(in.sealed, -1)
}

// extend makes an empty file as long as what will be in it. Not every file
// system can promise the room.
func extend(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return f.Truncate(size)
		default:
			return err
		}
	}
}

// show lets readers have what comes in, if they may.
func (s *Store) show(f *fetch, in *intake) {
	f.in = in
	if in.stream == nil {
		return
	}
	s.fetches.mu.Lock()
	defer s.fetches.mu.Unlock()
	f.stream = in.stream
	close(f.offered)
}

// drop ends an intake and tells its readers, if it is not what they were
// promised, why.
func (s *Store) drop(f *fetch, why error) {
	in := f.in
	if in == nil || !s.withdraw(f) {
		return
	}
	switch {
	case in.right:
		why = nil
	case why == nil: // a publish brought the object, and other bytes perhaps
		why = errOvertaken
	}
	in.stream.end(why)
}

// abandon ends the intake of a first try. Its readers are told after the second:
// what they do then, such as a publish, must find what became of the object. Until
// then they wait, as they would if the first had been slower.
func (s *Store) abandon(f *fetch, why error) {
	in := f.in
	if s.withdraw(f) {
		f.broken, f.why = in.stream, why
	}
}

// withdraw takes back an intake, so that nobody begins to read it any more. It
// reports whether somebody may have begun.
func (s *Store) withdraw(f *fetch) bool {
	in := f.in
	f.in = nil
	in.file.Close() // it may be closed
	if in.stream == nil {
		os.Remove(in.path)
		return false
	}
	s.unseal(in)
	s.fetches.mu.Lock()
	defer s.fetches.mu.Unlock()
	f.stream, f.offered = nil, make(chan struct{})
	return true
}

// fits reports whether an object can be taken in by this intake: its readers
// know its size.
func (in *intake) fits(info remote.Info) bool {
	return in.stream == nil || in.stream.info.Size == info.Size
}

// rewind prepares for another try. That is not possible when readers have seen
// something of this one.
func (in *intake) rewind() bool {
	if in.stream != nil && !in.stream.rewind() {
		return false
	}
	in.size, in.hash, in.refused, in.right = 0, newShortHash(), nil, false
	if in.stream == nil && in.file.Truncate(0) != nil {
		return false
	}
	_, err := in.file.Seek(0, io.SeekStart)
	return err == nil
}

// receive writes the body of an object to the file, which it closes when all is
// right, verifies it and returns its checksum. A body of another length than was
// told is ErrCorrupt. What the file refuses is errNotKept: a decoder that is fed
// from the same body may have taken it for anything.
func (in *intake) receive(body io.Reader, info remote.Info) (got sum, err error) {
	err = copyVerified(in, body, info)
	if err == nil && in.refused == nil && in.size == info.Size {
		in.refused = in.file.Close()
	}
	switch {
	case in.refused != nil:
		return "", fmt.Errorf("%w: %w", errNotKept, in.refused)
	case err != nil:
		return "", err
	case in.size != info.Size:
		return "", fmt.Errorf("%d bytes instead of %d: %w", in.size, info.Size, remote.ErrCorrupt)
	}
	if s, ok := body.(remote.Summer); ok {
		if full, ok := s.Sum256(); ok {
			return sum(hex.EncodeToString(full[:])), nil
		}
	}
	return sumOf(in.hash), nil
}

func (in *intake) Write(p []byte) (int, error) {
	n, err := in.file.Write(p)
	failpoint.Pass("fetch.writing")
	in.hash.Write(p[:n])
	in.size += int64(n)
	if in.stream != nil {
		in.stream.grow(n)
	}
	if err != nil {
		in.refused = err
	}
	return n, err
}
