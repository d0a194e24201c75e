package ctl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sstatefs/remote"
)

const (
	// replyLimit bounds one line of an answer, bytes: the last one of a Delete
	// holds an error for each of deleteBatch keys.
	replyLimit = 16 << 20

	// sendSilence is how long the daemon may not take what is sent: it writes
	// that to the disk of its cache first.
	sendSilence = time.Minute

	// busyWait is how long a call waits for its turn where other commands ask
	// the same mount, and busyPause the time between two tries.
	busyWait  = 30 * time.Second
	busyPause = 50 * time.Millisecond
)

// An ask is one request to the remote of a mount.
type ask struct {
	method string
	verb   string
	key    remote.Key // what it is about, may be empty
	query  url.Values
	body   func(*watch) io.ReadCloser // nil for none
	stream bool                       // it may give a lot
	slow   bool                       // the daemon may take sendSilence
}

func (q ask) op() string { return "mount: " + q.verb }

// A watch ends a request whose daemon is silent. It is told by its user when it
// is the daemon's turn.
type watch struct {
	timer *time.Timer
	limit time.Duration
}

func (w *watch) begin() { w.timer.Reset(w.limit) }
func (w *watch) pause() { w.timer.Stop() }

// A reply is an answer as its reader sees it.
type reply struct {
	ask    ask
	caller context.Context // of the call it belongs to
	cancel context.CancelCauseFunc
	c      *Client
	inner  context.Context // of the request: ends with caller, or when the daemon is silent
	watch  *watch
	body   io.ReadCloser
	in     *bufio.Reader
	result json.RawMessage // of the last line, once that came
	ended  bool
}

// send asks, and asks again while the mount has no room for another.
func (r *mountRemote) send(ctx context.Context, q ask) (*reply, error) {
	for deadline := time.Now().Add(busyWait); ; {
		a, err := r.sendOnce(ctx, q)
		if !IsKind(err, KindBusy) || time.Now().After(deadline) {
			return a, err
		}
		pause := time.NewTimer(busyPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}

func (r *mountRemote) sendOnce(ctx context.Context, q ask) (*reply, error) {
	if err := remote.Ended(ctx, q.op(), q.key); err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancelCause(ctx)
	w := &watch{limit: silence}
	if q.slow {
		w.limit = sendSilence
	}
	w.timer = time.AfterFunc(w.limit, func() { cancel(context.DeadlineExceeded) })
	a := &reply{ask: q, caller: ctx, cancel: cancel, c: r.client, inner: inner, watch: w}
	if err := a.begin(inner); err != nil {
		err = a.fail(err) // before Close, which ends inner
		a.Close()
		return nil, err
	}
	size := 4 << 10
	if q.stream {
		size = answerBuffer
	}
	a.in = bufio.NewReaderSize(watched{a}, size)
	return a, nil
}

// begin sends the request and takes the head of the answer.
func (a *reply) begin(ctx context.Context) error {
	address := "http://mount/v1/remote/" + a.ask.verb
	if len(a.ask.query) > 0 {
		address += "?" + a.ask.query.Encode()
	}
	var body io.ReadCloser
	if a.ask.body != nil {
		body = a.ask.body(a.watch)
	}
	request, err := http.NewRequestWithContext(ctx, a.ask.method, address, body)
	if err != nil {
		return err
	}
	if body != nil {
		request.ContentLength = -1 // a source that is shorter than it says must not look whole
		request.Header.Set("Expect", "100-continue")
	}
	answer, err := a.c.http.Do(request)
	a.watch.pause()
	if err != nil {
		return err
	}
	if answer.StatusCode == http.StatusOK {
		a.body = answer.Body
		return nil
	}
	defer answer.Body.Close()
	return a.c.refusal(answer)
}

// refusal is the error of an answer that is none.
func (c *Client) refusal(answer *http.Response) error {
	var l line
	err := json.NewDecoder(io.LimitReader(answer.Body, bodyLimit)).Decode(&l)
	switch {
	case err == nil && l.Error != nil:
		return l.Error
	case answer.StatusCode == http.StatusNotFound:
		return &Error{
			Kind:    KindUnsupported,
			Message: fmt.Sprintf("%s: its daemon is sstatefs %s and cannot do this", c.info.Mountpoint, c.info.Version),
			Hint:    "sstatefs unmount " + c.info.Mountpoint + ", and mount it again",
		}
	}
	return c.unreachable(errors.New(answer.Status))
}

// fail words what went wrong on the way as an error of a remote.
func (a *reply) fail(err error) error {
	if ended := remote.Ended(a.caller, a.ask.op(), a.ask.key); ended != nil {
		return ended
	}
	var told *Error
	var done *remote.Error
	switch {
	case errors.As(err, &done):
		return err
	case errors.As(err, &told) && told.Kind == KindBusy:
		return err
	case !errors.As(err, &told):
		err = a.c.failure(a.inner, err)
	}
	kind := remote.ErrUnavailable
	if IsKind(err, KindUnsupported) || IsKind(err, KindRequest) {
		kind = remote.ErrUnsupported
	}
	return &remote.Error{Op: a.ask.op(), Key: a.ask.key, Kind: kind, Err: err}
}

// watched is the answer as it comes: only while it is waited for is silence
// the daemon's.
type watched struct{ a *reply }

func (w watched) Read(p []byte) (int, error) {
	w.a.watch.begin()
	defer w.a.watch.pause()
	return w.a.body.Read(p)
}

// next gives the next line that is not blank, without its end, until the next
// call. After the last line of an answer that went well it is nil.
func (a *reply) next() ([]byte, error) {
	for !a.ended {
		text, err := a.readLine()
		switch {
		case err != nil:
			return nil, a.fail(err)
		case len(text) == 0:
		case text[0] != '{':
			return text, nil
		default:
			return nil, a.last(text)
		}
	}
	return nil, nil
}

// readLine reads up to the next end of a line. An answer that stops before is
// cut.
func (a *reply) readLine() ([]byte, error) {
	text, err := a.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := append([]byte(nil), text...)
		for errors.Is(err, bufio.ErrBufferFull) && len(long) < replyLimit {
			text, err = a.in.ReadSlice('\n')
			long = append(long, text...)
		}
		text = long
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	return text[:len(text)-1], nil
}

// last takes the line that ends an answer.
func (a *reply) last(text []byte) error {
	a.ended = true
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return a.fail(err)
	}
	switch {
	case len(l.Failures) > 0:
		return restored(l.Failures)
	case l.Error != nil:
		return a.fail(l.Error)
	}
	a.result = l.Result
	return nil
}

// each calls fn with every line.
func (a *reply) each(fn func(text string) error) error {
	defer a.Close()
	for {
		text, err := a.next()
		if text == nil {
			return err
		}
		if err := fn(string(text)); err != nil {
			return err
		}
	}
}

// finish waits for the end of an answer without lines.
func (a *reply) finish(into any) error {
	err := a.each(func(string) error { return nil })
	if err == nil && into != nil {
		err = json.Unmarshal(a.result, into)
	}
	return err
}

// Close ends the request, and with it the work in the mount.
func (a *reply) Close() {
	a.watch.pause()
	a.cancel(nil)
	if a.body != nil {
		a.body.Close()
	}
}

// errGarbled is a line that cannot be read.
var errGarbled = errors.New("answer is garbled")

// fields takes n words of a line.
func fields(text string, n int) ([]string, error) {
	words := strings.SplitN(text, " ", n)
	if len(words) != n {
		return nil, errGarbled
	}
	return words, nil
}
