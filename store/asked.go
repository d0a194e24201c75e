package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"sstatefs/remote"
)

// asked remembers what a remote that cannot list was asked: one Stat per name,
// cached both ways. Two generations of names bound its memory: when the young
// one is full it becomes the old one, and what was in that is forgotten unless
// it was asked for meanwhile.
type asked struct {
	stat  func(ctx context.Context, key remote.Key) (remote.Info, error)
	spawn func(fn func(ctx context.Context))
	now   func() time.Time
	miss  time.Duration // how long a miss is believed: others publish

	mu         sync.Mutex
	young, old map[remote.Key]reply
	running    map[remote.Key]*question
}

// reply is what the remote said of one name.
type reply struct {
	stamp
	there bool
	until int64 // ns since 1970
}

// question is one Stat, awaited by any number of lookups.
type question struct {
	done chan struct{}
	info remote.Info
	err  error
}

const (
	// askedNames is how many names one generation holds: a build asks for some
	// ten thousand. Two of them take about 80 MB when they are full.
	askedNames = 100_000

	// hitLife is how long a hit is believed. Objects do not change, and who
	// opens one that is gone notices.
	hitLife = time.Hour
)

func newAsked(s *Store) *asked {
	return &asked{
		stat: s.guard.Stat, spawn: s.spawn, now: s.now, miss: s.opt.Refresh,
		young: map[remote.Key]reply{}, running: map[remote.Key]*question{},
	}
}

// get answers from what is known; unknown is what has to be asked.
func (a *asked) get(key remote.Key) (remote.Info, answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, ok := a.find(key)
	switch {
	case !ok || a.now().UnixNano() >= r.until:
		return remote.Info{}, unknown
	case !r.there:
		return remote.Info{}, absent
	}
	return remote.Info{Key: key, Size: r.size, ModTime: r.time()}, there
}

// ask asks the remote for a name, unless somebody does already, and waits for
// the answer. Who gives up waiting does not end it.
func (a *asked) ask(ctx context.Context, key remote.Key) (remote.Info, answer) {
	a.mu.Lock()
	q := a.running[key]
	if q == nil {
		q = &question{done: make(chan struct{})}
		a.running[key] = q
		a.spawn(func(ctx context.Context) { a.answer(ctx, key, q) })
	}
	a.mu.Unlock()
	info, ans := q.wait(ctx)
	if known, is := a.get(key); is != unknown {
		return known, is // what was put or dropped here meanwhile counts more
	}
	return info, ans
}

// find looks a name up in both generations. Called with mu held.
func (a *asked) find(key remote.Key) (reply, bool) {
	if r, ok := a.young[key]; ok {
		return r, true
	}
	r, ok := a.old[key]
	if ok {
		a.keep(key, r)
	}
	return r, ok
}

// keep remembers a reply. Called with mu held.
func (a *asked) keep(key remote.Key, r reply) {
	if len(a.young) >= askedNames {
		a.old, a.young = a.young, make(map[remote.Key]reply, askedNames)
	}
	a.young[key] = r
}

// answer asks the remote. What was put or dropped here meanwhile counts more.
func (a *asked) answer(ctx context.Context, key remote.Key, q *question) {
	q.info, q.err = a.stat(ctx, key)
	a.mu.Lock()
	if a.running[key] == q {
		delete(a.running, key)
		switch {
		case q.err == nil:
			a.keep(key, a.hit(q.info))
		case errors.Is(q.err, remote.ErrNotExist):
			a.keep(key, a.none())
		}
	}
	a.mu.Unlock()
	close(q.done)
}

func (a *asked) hit(info remote.Info) reply {
	return reply{stamp{info.Size, info.ModTime.UnixNano()}, true, a.now().Add(hitLife).UnixNano()}
}

func (a *asked) none() reply {
	return reply{until: a.now().Add(a.miss).UnixNano()}
}

// wait waits for an answer.
func (q *question) wait(ctx context.Context) (remote.Info, answer) {
	select {
	case <-q.done:
	case <-ctx.Done():
		return remote.Info{}, unknown
	}
	switch {
	case q.err == nil:
		return q.info, there
	case errors.Is(q.err, remote.ErrNotExist):
		return q.info, absent
	}
	return q.info, unknown
}

// put notes an object that is on the remote now.
func (a *asked) put(info remote.Info) { a.note(info.Key, a.hit(info)) }

// touched notes that an object's time was moved.
func (a *asked) touched(key remote.Key, now time.Time) {
	if info, ans := a.get(key); ans == there {
		info.ModTime = now
		a.put(info)
	}
}

// drop notes an object that is not on the remote any more.
func (a *asked) drop(key remote.Key) { a.note(key, a.none()) }

func (a *asked) note(key remote.Key, r reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.running, key) // what it brings is older
	a.keep(key, r)
}
