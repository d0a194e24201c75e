package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"sstatefs/remote"
)

// modelLink is one host's way to the remote, for one life of its daemon.
type modelLink struct {
	*modelFar
	host int

	mu      sync.Mutex
	state   linkState
	lose    int           // answers of changes that get lost
	stopAt  string        // where the next put stops: "before", "after" or ""
	reached chan struct{} // closed when it has stopped there
	resume  chan struct{} // closed to let it go on
}

// linkState is what a link does to what goes over it.
type linkState int

const (
	linkUp      linkState = iota
	linkDown              // nothing gets through
	linkRefuses           // changes are refused
	linkGarbles           // bodies arrive with a wrong byte
)

func (s linkState) String() string { return [...]string{"up", "down", "refuses", "garbles"}[s] }

// modelLostAnswers is how many answers get lost in a row: fewer than a guard
// has tries.
const modelLostAnswers = 2

func (l *modelLink) set(s linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
}

func (l *modelLink) get() linkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// loseNext lets the next answers get lost.
func (l *modelLink) loseNext() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = modelLostAnswers
}

// stop makes the next put stop before or after it happens.
func (l *modelLink) stop(at string) (reached <-chan struct{}, resume func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopAt, l.reached, l.resume = at, make(chan struct{}), make(chan struct{})
	return l.reached, sync.OnceFunc(func() { close(l.resume) })
}

// pass is the beginning of every request.
func (l *modelLink) pass(op string, key remote.Key, change bool) error {
	switch s := l.get(); {
	case s == linkDown:
		return &remote.Error{Op: "model: " + op, Key: key, Kind: remote.ErrUnavailable, Err: fmt.Errorf("link is down")}
	case s == linkRefuses && change:
		return &remote.Error{Op: "model: " + op, Key: key, Kind: remote.ErrPermission, Err: fmt.Errorf("refused")}
	}
	return nil
}

// lost is the end of every change.
func (l *modelLink) lost(op string, key remote.Key, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.lose > 0 {
		l.lose--
		err = &remote.Error{Op: "model: " + op, Key: key, Kind: remote.ErrUnavailable, Err: fmt.Errorf("answer lost")}
	}
	return err
}

// wait holds a put where stop said.
func (l *modelLink) wait(at string) {
	l.mu.Lock()
	if l.stopAt != at {
		l.mu.Unlock()
		return
	}
	l.stopAt = ""
	reached, resume := l.reached, l.resume
	l.mu.Unlock()
	close(reached)
	<-resume
}

func (l *modelLink) Probe(context.Context) error { return l.pass("probe", "", false) }

// Offset: the remote has our clock.
func (l *modelLink) Offset() (time.Duration, bool) { return 0, true }

func (l *modelLink) Stat(ctx context.Context, key remote.Key) (remote.Info, error) {
	if err := l.pass("stat", key, false); err != nil {
		return remote.Info{}, err
	}
	l.modelFar.mu.Lock()
	defer l.modelFar.mu.Unlock()
	l.note(modelEvent{host: l.host, op: "stat", key: string(key)})
	return l.Memory.Stat(ctx, key)
}

func (l *modelLink) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	if err := l.pass("get", key, false); err != nil {
		return nil, remote.Info{}, err
	}
	body, info, err := l.Memory.Get(ctx, key, offset)
	if err != nil || l.get() != linkGarbles {
		return body, info, err
	}
	content, err := io.ReadAll(body)
	if err == nil && len(content) > 0 {
		content[len(content)*2/3] ^= 0x10
	}
	return &modelBody{content}, info, err
}

func (l *modelLink) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	var content bytes.Buffer
	body, err := src.Open()
	if err != nil {
		return &remote.Error{Op: "model: put", Key: key, Kind: remote.ErrCorrupt, Err: err}
	}
	defer body.Close()
	if _, err := content.ReadFrom(body); err != nil {
		return &remote.Error{Op: "model: put", Key: key, Kind: remote.ErrCorrupt, Err: err}
	}
	l.wait("before")
	if err := l.pass("put", key, true); err != nil {
		return err
	}
	err = l.put(ctx, l.host, key, content.Bytes(), opt)
	l.wait("after")
	if err == nil {
		err = l.pass("put", key, true) // the link may have gone meanwhile
	}
	return l.lost("put", key, err)
}

func (l *modelLink) Touch(ctx context.Context, key remote.Key, t time.Time) error {
	if err := l.pass("touch", key, true); err != nil {
		return err
	}
	return l.touch(ctx, l.host, key, t)
}

func (l *modelLink) Delete(ctx context.Context, keys ...remote.Key) error {
	if err := l.pass("delete", "", true); err != nil {
		return err
	}
	return l.lost("delete", "", l.delete(ctx, l.host, keys...))
}

func (l *modelLink) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	if err := l.pass("list", "", false); err != nil {
		return err
	}
	return l.Memory.List(ctx, prefix, fn)
}

func (l *modelLink) Folders(ctx context.Context, prefix string, fn func(remote.Folder) error) error {
	if err := l.pass("folders", "", false); err != nil {
		return err
	}
	return l.Memory.Folders(ctx, prefix, fn)
}

func (l *modelLink) Names(ctx context.Context, prefix string, fn func(name string, folder bool) error) error {
	if err := l.pass("names", "", false); err != nil {
		return err
	}
	return l.Memory.Names(ctx, prefix, fn)
}
