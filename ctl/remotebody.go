package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

const (
	// bodyPiece is how much of a body is read at a time, bytes.
	bodyPiece = 256 << 10

	// spoolMemory is the size up to which what is to be put waits in memory,
	// bytes: most signatures are smaller.
	spoolMemory = 256 << 10

	// sourceTimeout is how long a client may wait for the source of what it
	// sends, a server that hangs perhaps.
	sourceTimeout = 5 * time.Minute
)

// get gives "SIZE TIME KEY", then "1" if the body is compared with a checksum
// on its way, else "0", then the body in pieces.
func (s *remoteServer) get(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, a *answer) (any, error) {
		q := questionOf(r)
		offset, err := q.number("offset")
		if err != nil {
			return nil, err
		}
		body, info, err := s.remote.Get(ctx, q.key(), offset)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		v, ok := body.(remote.Verifier)
		err = a.line(func(b []byte) []byte {
			return append(appendInfo(b, info), '\n', flagByte(ok && v.Verifies()))
		})
		if err != nil {
			return nil, err
		}
		return done{}, a.pieces(body, info.Size-offset)
	})
}

// pieces sends a body.
func (a *answer) pieces(body io.Reader, size int64) error {
	buf := make([]byte, min(bodyPiece, max(size, 0)+1)) // one more, to see the end
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if err := a.piece(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF: //nolint:errorlint // what wraps it is a connection that broke
			return nil
		case err != nil:
			return err
		}
	}
}

// put takes the content as its body. It waits here until it is whole: the
// remote may need it more than once, and a client that dies has begun nothing.
func (s *remoteServer) put(w http.ResponseWriter, r *http.Request) {
	q := questionOf(r)
	size, err := q.number("size")
	t, bad := q.time()
	if err == nil && size < 0 {
		err = &Error{Kind: KindRequest, Message: "request: size is negative"}
	}
	if err = errors.Join(err, bad); err != nil {
		writeError(w, http.StatusBadRequest, asError(err))
		return
	}
	if s.remote.Traits().ReadOnly {
		size = 0 // nobody reads it
	}
	content, err := s.receive(w, r, size)
	if err == nil {
		defer content.Close()
	}
	s.reply(w, r, func(ctx context.Context, _ *answer) (any, error) {
		if err != nil {
			return nil, &remote.Error{Op: "mount: put", Key: q.key(), Kind: receiveKind(err), Err: err}
		}
		return done{}, s.remote.Put(ctx, q.key(), content, remote.PutOptions{
			Create: q.Get("create") == "1", Refresh: q.Get("refresh") == "1", ModTime: t,
		})
	})
}

// errShort is a client that sent less, or more, than it said.
var errShort = errors.New("content is not as long as announced")

func receiveKind(err error) error {
	if errors.Is(err, errShort) {
		return remote.ErrCorrupt
	}
	return remote.ErrUnavailable
}

// A spooled is content that waits for the remote, in memory or in a file that
// has no name.
type spooled struct {
	size   int64
	memory []byte
	file   *os.File
}

// Size see remote.Source.
func (c *spooled) Size() int64 { return c.size }

// Open see remote.Source. A file is opened anew, so that the kernel may copy it
// into another.
func (c *spooled) Open() (io.ReadCloser, error) {
	if c.file == nil {
		return io.NopCloser(bytes.NewReader(c.memory)), nil
	}
	return os.Open("/proc/self/fd/" + strconv.Itoa(int(c.file.Fd())))
}

// Close gives the content up.
func (c *spooled) Close() {
	if c.file != nil {
		c.file.Close()
	}
}

// receive takes the body of a request.
func (s *remoteServer) receive(w http.ResponseWriter, r *http.Request, size int64) (*spooled, error) {
	in := &patientReader{r.Body, http.NewResponseController(w)}
	defer in.done()
	c := &spooled{size: size}
	if s.remote.Traits().ReadOnly {
		return c, nil
	}
	if size <= spoolMemory {
		c.memory = make([]byte, max(size, 0))
		if _, err := io.ReadFull(in, c.memory); err != nil {
			return nil, fmt.Errorf("%w: %w", errShort, err)
		}
		return c, atEnd(in)
	}
	var err error
	if c.file, err = nameless(s.claim.info.CacheDir); err != nil {
		return nil, err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{c.file}, io.LimitReader(in, size), make([]byte, bodyPiece))
	if err == nil {
		err = isLong(c.file, size)
	}
	if err == nil {
		err = atEnd(in)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func isLong(f *os.File, size int64) error {
	fi, err := f.Stat()
	if err == nil && fi.Size() != size {
		return errShort
	}
	return err
}

// atEnd makes sure that nothing follows.
func atEnd(r io.Reader) error {
	var one [1]byte
	switch n, err := io.ReadFull(r, one[:]); {
	case n > 0:
		return errShort
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// nameless makes a file that is gone when it is closed, or with the process.
func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir), nil
	}
	f, err := os.CreateTemp(dir, "put-*") // not all file systems have O_TMPFILE
	if err == nil {
		err = os.Remove(f.Name())
	}
	return f, err
}

// patientReader reads from a client that may have to wait for its source.
type patientReader struct {
	in   io.Reader
	conn *http.ResponseController
}

func (p *patientReader) Read(b []byte) (int, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(sourceTimeout)); err != nil {
		return 0, err
	}
	return p.in.Read(b)
}

// done takes the deadline back, or it would end the request in its midst.
func (p *patientReader) done() { _ = p.conn.SetReadDeadline(time.Time{}) }
