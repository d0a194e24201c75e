package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sstatefs/remote"
)

// modelWorld is some hosts, what they share, and the rules for both.
type modelWorld struct {
	dir      string
	traits   remote.Traits
	clock    *clock
	contents *modelContents
	far      *modelFar
	hosts    []*modelHost

	// Of the present step:
	cleans  map[hostKey]bool // who removes what for everybody
	cleaned map[hostKey]int  // and the events that did it
	cut     map[string]bool  // keys whose copies a power cut has shortened
}

type hostKey struct {
	host int
	key  string
}

// modelGuard makes a link that is down cost little.
var modelGuard = remote.GuardOptions{
	OpTimeout: 5 * time.Second, StallTimeout: 10 * time.Second,
	RetryDelay: 20 * time.Microsecond, ProbeInterval: time.Hour,
}

// modelAge is how far the hosts' clock is behind ours. What the file system
// dates is then always newer than the last sync, and is checked after a crash.
const modelAge = 100 * 24 * time.Hour

// newModelWorld opens some hosts, each of its own kind.
func newModelWorld(dir string, r *rand.Rand) (*modelWorld, error) {
	w := &modelWorld{dir: dir, clock: &clock{t: time.Now().Add(-modelAge).Truncate(time.Second)}, contents: newModelContents()}
	w.traits = []remote.Traits{
		{}, {}, {ListPerFolder: true}, {CheapStat: true}, {NoList: true},
	}[r.IntN(5)]
	w.traits.AtomicCreate = true
	w.far = newModelFar(w.clock, w.contents, w.traits)
	for n := range modelHosts {
		h := newModelHost(n, w.options(n, r))
		w.hosts = append(w.hosts, h)
		if err := w.open(h, filepath.Join(dir, fmt.Sprintf("host%d-0", n))); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *modelWorld) options(n int, r *rand.Rand) Options {
	o := Options{
		MinFree: 1e-9, Now: w.clock.now, Guard: modelGuard, Refresh: 10_000 * time.Hour,
		Publish: []PublishMode{PublishThrough, PublishQueue}[r.IntN(2)],
		Unlink:  []UnlinkPolicy{UnlinkRemote, UnlinkRemote, UnlinkRemote, UnlinkLocal, UnlinkRefuse}[r.IntN(5)],
	}
	if w.traits.NoList {
		o.Refresh = 30 * time.Second
	}
	if n == modelHosts-1 {
		o.ReadOnly = r.IntN(3) == 0
		if r.IntN(2) == 0 {
			o.CacheSize = 900 // less than the largest contents
		}
	}
	return o
}

// String describes the world in one line for each host.
func (w *modelWorld) String() string {
	text := fmt.Sprintf("remote: %+v\n", w.traits)
	for _, h := range w.hosts {
		text += fmt.Sprintf("host %d: publish=%s unlink=%s read-only=%v cache=%d\n", h.n, h.opt.Publish, h.opt.Unlink, h.opt.ReadOnly, h.opt.CacheSize)
	}
	return text
}

// open starts a host's daemon on a cache directory.
func (w *modelWorld) open(h *modelHost, dir string) error {
	link := &modelLink{modelFar: w.far, host: h.n}
	if h.link != nil {
		link.set(h.link.get())
	}
	h.link, h.opt.Dir, h.opt.Remote = link, dir, link
	var err error
	h.Store, err = Open(context.Background(), h.opt)
	if err == nil && h.n%2 == 1 { // its objects can be read while they come
		h.fetches.streamFrom, h.fetches.withheld = 1, 100
	}
	return err
}

// step does what happens at one time, and compares it with the rules.
func (w *modelWorld) step(step modelTurn) error {
	w.clock.add(time.Second)
	w.cleans, w.cleaned, w.cut = map[hostKey]bool{}, map[hostKey]int{}, map[string]bool{}
	for _, op := range step {
		if op.kind == "clean" {
			w.cleans[hostKey{op.host, modelKey(op.key)}] = true
		}
	}
	start := w.far.now()
	results, early := make([]modelResult, len(step)), make([]modelViews, len(step))
	for i, op := range step { // a daemon that is killed knows less afterwards
		early[i] = w.views(w.hosts[op.host], modelKey(op.key), start)
	}
	var wg sync.WaitGroup
	for i, op := range step {
		wg.Add(1)
		go func() {
			defer wg.Done()
			results[i] = w.do(w.hosts[op.host], op)
		}()
	}
	wg.Wait()
	for i, op := range step {
		if w.hosts[op.host].Store == nil {
			return fmt.Errorf("host %d has no daemon: %w", op.host, results[i].err)
		}
	}
	if err := w.settle(); err != nil {
		return err
	}
	events := w.far.take()
	for _, e := range events {
		if w.cleans[hostKey{e.host, e.key}] && e.op == "delete" {
			w.cleaned[hostKey{e.host, e.key}] = e.seq
		}
	}
	for i, op := range step {
		if err := w.judge(op, results[i], early[i], start); err != nil {
			return fmt.Errorf("host %d, key %d: %w", op.host, op.key, err)
		}
	}
	if err := w.judgeEvents(events); err != nil {
		return err
	}
	for _, h := range w.hosts {
		if err := w.resolve(h); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until no host has anything under way that can end.
func (w *modelWorld) settle() error {
	for _, h := range w.hosts {
		settled := false
		for deadline := time.Now().Add(20 * time.Second); !settled && time.Now().Before(deadline); {
			if settled = h.isSettled(); !settled {
				pause(100)
			}
		}
		if !settled {
			return fmt.Errorf("host %d (link %v) does not come to rest: %+v, guard %+v", h.n, h.link.get(), h.Status().Queue, h.guard.State())
		}
	}
	return nil
}

// isSettled tells whether a host has nothing under way, and lets go on what
// waits for no reason.
func (h *modelHost) isSettled() bool {
	up := h.link.get() != linkDown
	if up && h.guard.State().Open {
		_ = h.guard.ProbeNow(context.Background())
		return false
	}
	if h.index != nil && h.index.isBusy() {
		return false
	}
	q := h.queue.status()
	if q.Held > 0 && up && h.link.get() != linkRefuses {
		h.retryHeld()
		return false
	}
	if q.Objects == 0 {
		return true
	}
	if up {
		h.queue.hurry(true)
		return false
	}
	return h.guard.State().Open && !h.queue.isSending()
}

func (q *queue) isSending() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, chain := range q.chains {
		for _, e := range chain {
			if e.state == sending {
				return true
			}
		}
	}
	return false
}

func (x *index) isBusy() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.refreshing
}

// finish brings everything to rest and looks at what is left: all hosts see
// the same, and nothing lies around.
func (w *modelWorld) finish() error {
	for _, h := range w.hosts {
		h.link.set(linkUp)
		clear(h.doubt)
	}
	w.clock.add(defaultTouchInterval + 2*hitLife) // nothing that was asked is believed, all is to be touched
	last := []modelTurn{{}}
	for n := range w.hosts {
		last = append(last, modelTurn{{kind: "flush", host: n}})
	}
	for n := range w.hosts {
		last = append(last, modelTurn{{kind: "refresh", host: n}})
		for k := range modelKeys {
			last = append(last, modelTurn{{kind: "stat", host: n, key: k}}, modelTurn{{kind: "read", host: n, key: k}},
				modelTurn{{kind: "readdir", host: n, key: k}}, modelTurn{{kind: "drop", host: n, key: k}},
				modelTurn{{kind: "touch", host: n, key: k}})
		}
		last = append(last, modelTurn{{kind: "touches", host: n}})
	}
	for _, step := range last {
		if err := w.step(step); err != nil {
			return fmt.Errorf("in the end: %v: %w", step, err)
		}
	}
	for _, h := range w.hosts {
		err := h.tidy()
		for deadline := time.Now().Add(5 * time.Second); err != nil && time.Now().Before(deadline); err = h.tidy() {
			pause(100) // a listing may still take copies away
		}
		if err != nil {
			return fmt.Errorf("in the end: host %d: %w", h.n, err)
		}
	}
	return nil
}

// tidy checks that a cache directory at rest holds nothing but what it should.
func (h *modelHost) tidy() error {
	count, err := filesBelow(h.layout.path("objects"))
	if err != nil {
		return err
	}
	if u := h.usage.get(); u != count {
		return fmt.Errorf("the cache counts %+v and holds %+v", u, count)
	}
	for folder, want := range map[string]int{"queue": 0, "fetch": 0, "removed": len(h.hidden), "pinned": len(h.pinned)} {
		count, err := filesBelow(h.layout.path(folder))
		if err != nil || count.Objects != int64(want) {
			return fmt.Errorf("%s/ holds %d files instead of %d: %v", folder, count.Objects, want, err)
		}
	}
	return nil
}

func filesBelow(dir string) (Count, error) {
	var c Count
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err == nil {
			c.Objects++
			c.Bytes += i.Size()
		}
		return err
	})
	return c, err
}

// close ends all daemons.
func (w *modelWorld) close() error {
	var errs []error
	for _, h := range w.hosts {
		if h.Store == nil {
			continue
		}
		h.dropAll()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_, err := h.Close(ctx)
		cancel()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// dropAll closes the handles that the host's programs have open.
func (h *modelHost) dropAll() {
	for key, handles := range h.handles {
		for _, handle := range handles {
			_ = handle.object.Close()
		}
		delete(h.handles, key)
	}
}

// readObject reads to the end.
func readObject(o *Object) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(o, 0, 1<<30))
}

// timeOf is the time that the remote shows.
func (f *modelFar) timeOf(key string) (time.Time, bool) {
	info, err := f.Memory.Stat(context.Background(), remote.Key(key))
	return info.ModTime, err == nil
}
