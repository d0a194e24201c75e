package store

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"sstatefs/sstate"
)

// checkFile reads a file of an object after an unclean stop. What nothing vouches
// for is damaged if the kernel restarted, see checkUnclean.
func (s *Store) checkFile(path, key string) error {
	told, err := s.inspect(s.ctx, path, key)
	if err == nil && !told && !s.sameBoot {
		err = fmt.Errorf("%w: without a checksum, and it cannot be decoded", sstate.ErrCorrupt)
	}
	return err
}

// inspect reads a file of an object to its end: its checksum has to be the one
// that was noted, or it has to decode. told is false where there is neither: a
// detached signature, or somebody's own kind of file. isDamage tells whether the
// error is about the content.
func (s *Store) inspect(ctx context.Context, path, key string) (told bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	in := obedient{ctx, f}
	if want := s.sums.get(s.noted(f, path), key); want != "" {
		h := want.newHash()
		if _, err := io.Copy(h, in); err != nil {
			return false, err
		}
		if got := sumOf(h); got != want {
			return true, fmt.Errorf("%w: %s, was %s", errSum, got, want)
		}
		return true, nil
	}
	n, ok := sstate.ParsePath(key)
	if !ok {
		return true, nil
	}
	content := bufio.NewReader(in)
	what, err := lookAt(content, n)
	switch {
	case err != nil:
		return false, err
	case n.Side == sstate.SideSig:
		return false, sstate.Check(content, n)
	case what == foreign && !isBlank(content):
		return false, nil
	}
	return true, sstate.Check(content, n)
}

// noted is where the checksum of an open file is: by its descriptor, since another
// file may have its name by now.
func (s *Store) noted(f *os.File, path string) string {
	if s.sums.xattrs {
		return fdPath(f)
	}
	return path
}

// isBlank reports whether a content begins with zeros, as no format does that is
// found in a cache: a disk that lost it, or never wrote it.
func isBlank(content *bufio.Reader) bool {
	head, _ := content.Peek(blankHead) // less if there is less
	return len(head) > 0 && len(bytes.Trim(head, "\x00")) == 0
}

// blankHead is how many zeros tell a lost content from a strange one: the block
// of a disk, bytes.
const blankHead = 512

// obedient is a reader that ends with its context.
type obedient struct {
	ctx context.Context
	in  io.Reader
}

func (o obedient) Read(p []byte) (int, error) {
	if err := o.ctx.Err(); err != nil {
		return 0, err
	}
	return o.in.Read(p)
}
