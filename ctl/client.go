package ctl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"sstatefs/store"
)

// Deadlines of the client.
const (
	callTimeout = 10 * time.Second // of status and stats, from dial to the last byte
	silence     = 10 * time.Second // of a stream that tells something every second
)

// lineLimit bounds one line of a stream, bytes. A key has at most 4096.
const lineLimit = 1 << 20

// callLimit bounds the answer to a short verb, bytes. Root asks the daemons of
// other users too.
const callLimit = 32 << 20

// Client talks to the daemon of one mount.
type Client struct {
	info MountInfo
	http *http.Client
}

// newClient makes a client for the mount of a record. It does not connect.
func newClient(info MountInfo) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := dialSocket(ctx, info.Socket)
		if err != nil {
			return nil, err
		}
		// Only the mount's user may answer for it, or root would believe
		// whatever another user's record points at.
		if uid, err := peerUID(conn); err != nil || (uid != info.UID && uid != 0) {
			conn.Close()
			return nil, fmt.Errorf("%s belongs to another user", info.Socket)
		}
		return conn, nil
	}
	return &Client{info: info, http: &http.Client{
		Transport: &http.Transport{
			DialContext: dial, DisableKeepAlives: true,
			ExpectContinueTimeout: silence, WriteBufferSize: 64 << 10,
		},
	}}
}

// Info says which mount this is, as its record has it.
func (c *Client) Info() MountInfo { return c.info }

// Status asks for the state of the mount.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.call(ctx, "status", &s)
	return s, err
}

// Stats asks for the counters of the mount.
func (c *Client) Stats(ctx context.Context) (store.Stats, error) {
	var s store.Stats
	err := c.call(ctx, "stats", &s)
	return s, err
}

// Flush has the mount send what is queued and waits for it, at most timeout.
func (c *Client) Flush(
	ctx context.Context, timeout time.Duration, progress func(Progress),
) (store.Left, error) {
	var left store.Left
	err := c.stream(ctx, "flush", FlushRequest{Timeout: Duration(timeout)}, progress, &left)
	return left, err
}

// Refresh has the mount list its remote again and waits for it.
func (c *Client) Refresh(ctx context.Context) (store.IndexStatus, error) {
	var index store.IndexStatus
	err := c.stream(ctx, "refresh", struct{}{}, nil, &index)
	return index, err
}

// Unmount ends the mount. See Session.Unmount.
func (c *Client) Unmount(
	ctx context.Context, o UnmountRequest, progress func(Progress),
) (UnmountResult, error) {
	var result UnmountResult
	err := c.stream(ctx, "unmount", o, progress, &result)
	return result, err
}

// Events calls fn with each event of these kinds, all if there are none: a JSON
// object without its newline, until ctx is done, fn fails or the mount ends.
func (c *Client) Events(ctx context.Context, kinds []store.EventKind, fn func(event []byte) error) error {
	verb := "events"
	if len(kinds) > 0 {
		words := make([]string, len(kinds))
		for i, kind := range kinds {
			words[i] = string(kind)
		}
		verb += "?types=" + strings.Join(words, ",")
	}
	return c.lines(ctx, http.MethodGet, verb, nil, func(text []byte) (bool, error) {
		return false, fn(text)
	})
}

// call is one short verb.
func (c *Client) call(ctx context.Context, verb string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := c.do(ctx, http.MethodGet, verb, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, callLimit)).Decode(into); err != nil {
		return c.unreachable(err)
	}
	return nil
}

// stream is one long verb. progress may be nil.
func (c *Client) stream(
	ctx context.Context, verb string, request any, progress func(Progress), into any,
) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ended := false
	err = c.lines(ctx, http.MethodPost, verb, body, func(text []byte) (bool, error) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return false, c.unreachable(err)
		}
		switch {
		case l.Error != nil:
			return false, l.Error
		case l.Result != nil:
			ended = true
			return true, json.Unmarshal(l.Result, into)
		case l.Progress != nil && progress != nil:
			progress(*l.Progress)
		}
		return false, nil
	})
	if err == nil && !ended {
		err = c.unreachable(io.ErrUnexpectedEOF)
	}
	return err
}

// lines calls fn with each line that is not blank until fn says it was the
// last. A silence of the daemon ends it.
func (c *Client) lines(
	ctx context.Context, method, verb string, request []byte, fn func([]byte) (last bool, err error),
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(context.DeadlineExceeded) })
	defer watchdog.Stop()
	body, err := c.do(ctx, method, verb, request)
	if err != nil {
		return err
	}
	defer body.Close()
	in := bufio.NewScanner(body)
	in.Buffer(nil, lineLimit)
	for in.Scan() {
		watchdog.Reset(silence)
		if len(in.Bytes()) == 0 {
			continue
		}
		watchdog.Stop() // who prints may wait for a pager: that is no silence
		if last, err := fn(in.Bytes()); last || err != nil {
			return err
		}
		watchdog.Reset(silence)
	}
	if in.Err() != nil {
		return c.failure(ctx, in.Err())
	}
	return nil
}

// do sends one request. An answer other than 200 is its error.
func (c *Client) do(ctx context.Context, method, verb string, request []byte) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://mount/v1/"+verb, bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var l line
	err = json.NewDecoder(io.LimitReader(answer.Body, bodyLimit)).Decode(&l)
	if err != nil || l.Error == nil {
		return nil, c.unreachable(errors.New(answer.Status))
	}
	return nil, l.Error
}

// failure words what went wrong on the way to the daemon or back.
func (c *Client) failure(ctx context.Context, err error) error {
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return &Error{
			Kind:    KindUnreachable,
			Message: fmt.Sprintf("%s: the daemon (pid %d) does not answer", c.info.Mountpoint, c.info.PID),
			Hint:    "sstatefs unmount --force " + c.info.Mountpoint,
		}
	case ctx.Err() != nil:
		return &Error{Kind: KindInterrupted, Message: "interrupted"}
	case isNobody(err), errors.Is(err, syscall.ECONNRESET) && c.isGone(ctx):
		return deadError(c.info.Mountpoint)
	}
	return c.unreachable(err)
}

// isNobody tells that nobody listens on a socket.
func isNobody(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

// isGone asks again after a connection was reset: by a daemon that was being
// killed nobody is served any more.
func (c *Client) isGone(ctx context.Context) bool {
	conn, err := dialSocket(ctx, c.info.Socket)
	if err == nil {
		conn.Close()
	}
	return isNobody(err)
}

func (c *Client) unreachable(err error) error {
	var inner *net.OpError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return &Error{
		Kind:    KindUnreachable,
		Message: fmt.Sprintf("%s: the daemon (pid %d) cannot be asked: %v", c.info.Mountpoint, c.info.PID, err),
	}
}

func deadError(mountpoint string) error {
	return &Error{
		Kind:    KindDead,
		Message: mountpoint + ": its daemon is gone",
		Hint:    "sstatefs unmount " + mountpoint,
	}
}
