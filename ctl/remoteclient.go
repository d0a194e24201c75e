package ctl

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"sstatefs/remote"
)

// clientCalls is how many calls of one command go to a mount at a time, so that
// several commands find room. Listings and bodies are not counted: their
// readers call for more while they read.
const clientCalls = 32

// mountRemote is the remote of a mount, asked over its socket: with the
// credentials, the deadlines and the breaker of the mount, which hears of every
// change. An error of the way is ErrUnavailable and wraps an *Error.
type mountRemote struct {
	client *Client
	slots  chan struct{} // a slot each

	mu    sync.Mutex // guards facts
	facts remoteFacts
}

var (
	_ remote.Remote         = (*mountRemote)(nil)
	_ remote.FolderLister   = (*mountRemote)(nil)
	_ remote.NameLister     = (*mountRemote)(nil)
	_ remote.LeftoverLister = (*mountRemote)(nil)
	_ remote.UploadLister   = (*mountRemote)(nil)
	_ remote.Sweeper        = (*mountRemote)(nil)
	_ remote.Prober         = (*mountRemote)(nil)
	_ remote.Clock          = (*mountRemote)(nil)
	_ remote.Describer      = (*mountRemote)(nil)
	_ remote.Explorer       = (*mountRemote)(nil)
)

// Remote is the remote of the mount. Like a remote.Guard it has the methods of
// all optional interfaces, which are ErrUnsupported where the remote has none.
// It needs no Close.
func (c *Client) Remote(ctx context.Context) (remote.Remote, error) {
	r := &mountRemote{client: c, slots: make(chan struct{}, clientCalls)}
	if err := r.learn(ctx, "GET", verbFacts); err != nil {
		return nil, err
	}
	return r, nil
}

// learn asks what the remote says of itself.
func (r *mountRemote) learn(ctx context.Context, method, verb string) error {
	var facts remoteFacts
	if err := r.call(ctx, ask{method: method, verb: verb}, &facts); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts = facts
	return nil
}

func (r *mountRemote) known() remoteFacts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.facts
}

// call is an ask whose answer is one result.
func (r *mountRemote) call(ctx context.Context, q ask, into any) error {
	leave, err := r.enter(ctx, q)
	if err != nil {
		return err
	}
	defer leave()
	a, err := r.send(ctx, q)
	if err != nil {
		return err
	}
	return a.finish(into)
}

// enter waits for a slot.
func (r *mountRemote) enter(ctx context.Context, q ask) (leave func(), err error) {
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	case <-ctx.Done():
		return nil, remote.Ended(ctx, q.op(), q.key)
	}
}

func about(key remote.Key) url.Values { return url.Values{"key": {string(key)}} }

// Traits see remote.Remote: as they were when the mount was last asked.
func (r *mountRemote) Traits() remote.Traits { return r.known().Traits }

func (r *mountRemote) String() string { return r.known().Name }

// Abilities see remote.Describer.
func (r *mountRemote) Abilities() []remote.Ability { return r.known().Abilities }

// Offset see remote.Clock.
func (r *mountRemote) Offset() (time.Duration, bool) {
	offset := r.known().Offset
	if offset == nil {
		return 0, false
	}
	return *offset, true
}

// Probe see remote.Prober.
func (r *mountRemote) Probe(ctx context.Context) error { return r.learn(ctx, "POST", verbProbe) }

// Explore see remote.Explorer.
func (r *mountRemote) Explore(ctx context.Context) error { return r.learn(ctx, "POST", verbExplore) }

// Stat see remote.Remote.
func (r *mountRemote) Stat(ctx context.Context, key remote.Key) (remote.Info, error) {
	q := ask{method: "GET", verb: verbStat, key: key, query: about(key)}
	leave, err := r.enter(ctx, q)
	if err != nil {
		return remote.Info{}, err
	}
	defer leave()
	a, err := r.send(ctx, q)
	if err != nil {
		return remote.Info{}, err
	}
	var info remote.Info
	err = a.each(func(text string) (err error) {
		info, err = parseInfo(text)
		return err
	})
	if err != nil {
		return remote.Info{}, err
	}
	return info, nil
}

// Touch see remote.Remote.
func (r *mountRemote) Touch(ctx context.Context, key remote.Key, t time.Time) error {
	query := about(key)
	query.Set("time", string(appendTime(nil, t)))
	return r.call(ctx, ask{method: "POST", verb: verbTouch, key: key, query: query}, nil)
}

// AbortUpload see remote.UploadLister.
func (r *mountRemote) AbortUpload(ctx context.Context, key remote.Key, id string) error {
	query := about(key)
	query.Set("id", id)
	return r.call(ctx, ask{method: "POST", verb: verbAbort, key: key, query: query}, nil)
}

// Delete see remote.Remote.
func (r *mountRemote) Delete(ctx context.Context, keys ...remote.Key) error {
	var failed []error
	for {
		batch := keys[:min(deleteBatch, len(keys))]
		keys = keys[len(batch):]
		if err := r.deleteBatch(ctx, batch); err != nil {
			failed = append(failed, err)
		}
		if len(keys) == 0 {
			return errors.Join(failed...)
		}
		if ctx.Err() != nil {
			return remote.Ended(ctx, "mount: delete", "")
		}
	}
}

func (r *mountRemote) deleteBatch(ctx context.Context, keys []remote.Key) error {
	var text []byte
	for _, key := range keys {
		text = append(appendWord(text, key), '\n')
	}
	q := ask{method: "POST", verb: verbDelete, body: func(*watch) io.ReadCloser {
		return io.NopCloser(strings.NewReader(string(text)))
	}}
	if len(keys) == 1 {
		q.key = keys[0]
	}
	return r.call(ctx, q, nil)
}

// parseInfo reads what appendInfo writes.
func parseInfo(text string) (remote.Info, error) {
	size, rest, ok := strings.Cut(text, " ")
	word, name, also := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if !ok || !also || err != nil {
		return remote.Info{}, errGarbled
	}
	t, err := parseTime(word)
	if err != nil {
		return remote.Info{}, errGarbled
	}
	key := remote.Key(name)
	if strings.IndexByte(name, '%') >= 0 {
		if key, err = unescaped(name); err != nil {
			return remote.Info{}, errGarbled
		}
	}
	return remote.Info{Key: key, Size: n, ModTime: t}, nil
}
