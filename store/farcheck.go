package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// checkedBody is the body of an object that is checked as a fetch checks it, by
// the server's checksum or by decoding it, while it is read by somebody who does
// not keep it. The last bytes are given only when all is known to be right: a
// program asks for no more than the length that stat told it, so an error at the
// end of the body would reach nobody.
type checkedBody struct {
	body io.ReadCloser
	in   *bufio.Reader
	left int64

	feed    *io.PipeWriter // to the decoder, nil if there is none
	verdict func() error   // of the decoder, which has ended then
}

// checkWhileRead begins to check a body that is at its beginning. It closes it
// after an error.
func checkWhileRead(body io.ReadCloser, info remote.Info) (io.ReadCloser, error) {
	c := &checkedBody{body: body, in: bufio.NewReaderSize(body, 16), left: info.Size}
	n, ok := sstate.ParsePath(string(info.Key))
	if !ok || info.Size == 0 {
		return c, nil
	}
	what, err := lookAt(c.in, n)
	if err != nil {
		body.Close()
		return nil, err
	}
	if v, is := body.(remote.Verifier); what == fitting && !(is && v.Verifies()) {
		c.decode(n)
	}
	return c, nil
}

// decode starts the decoder, which ends when the feed does.
func (c *checkedBody) decode(n sstate.Name) {
	content, feed := io.Pipe()
	ended := make(chan error, 1)
	c.feed, c.verdict = feed, sync.OnceValue(func() error { return <-ended })
	go func() {
		err := sstate.CheckTransfer(content, n)
		if err == nil {
			_, err = io.Copy(io.Discard, content)
		}
		content.CloseWithError(err)
		ended <- err
	}()
}

func (c *checkedBody) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.left -= int64(n)
	if c.feed != nil && n > 0 {
		if _, e := c.feed.Write(p[:n]); e != nil {
			return 0, damaged(e)
		}
	}
	if n > 0 && c.left <= 0 {
		if e := c.end(); e != nil {
			return 0, e
		}
	}
	return n, err
}

// end makes sure that the body ends where it should, and as it should.
func (c *checkedBody) end() error {
	var one [1]byte
	switch n, err := io.ReadFull(c.in, one[:]); {
	case n > 0:
		return fmt.Errorf("longer than was told: %w", remote.ErrCorrupt)
	case err != io.EOF:
		return err
	case c.feed == nil:
		return nil
	}
	_ = c.feed.Close()
	return damaged(c.verdict())
}

// damaged makes a decoder's verdict an error of the remote.
func damaged(err error) error {
	if isDamage(err) {
		return fmt.Errorf("%w: %w", remote.ErrCorrupt, err)
	}
	return err
}

// errGivenUp ends a decoder whose reader has gone.
var errGivenUp = errors.New("not read to the end")

// Close ends the check too.
func (c *checkedBody) Close() error {
	if c.feed != nil {
		_ = c.feed.CloseWithError(errGivenUp)
		_ = c.verdict()
	}
	return c.body.Close()
}
