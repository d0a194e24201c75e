package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// modelResult is what a host answered.
type modelResult struct {
	err   error
	id    int   // of the content that was read, 0 for anything unknown
	bytes int64 // read, or told by stat
	entry Entry
	names map[string]bool
	whole bool // everything was sent
	far   bool // read from the remote without keeping it

	gaveWay bool // a rename that published nothing
	want    int  // of an open handle, what it had
}

// judge compares what a host answered with what it may, and notes what follows
// from it. start is the remote's last event before the step, early what the
// host may have seen then.
func (w *modelWorld) judge(op modelOp, r modelResult, early modelViews, start int) error {
	h, key := w.hosts[op.host], modelKey(op.key)
	v := w.views(h, key, start)
	switch op.kind {
	case "link":
		return w.judgeLink(h, key, op, r, v)
	case "crash-put":
		err := w.judgeLink(h, key, op, r, early)
		if p := h.pending[key]; r.err == nil && len(p) > 0 {
			last := &p[len(p)-1]
			last.waited, last.risky, last.replace = true, w.cut[key], last.replace || early.doubt
		}
		return err
	case "rename", "write":
		return w.judgeReplace(h, key, op, r, v)
	case "read", "hold":
		return w.judgeRead(h, key, r, v)
	case "stat":
		return w.judgeStat(h, key, r, v)
	case "touch":
		if err := v.found(r.err); err != nil {
			return err
		}
		if r.err == nil {
			h.shown[key] = w.clock.now()
			if _, own := h.own(key); !own && h.link.get() == linkUp {
				h.used[key] = w.clock.now()
			}
		}
	case "unlink":
		return w.judgeUnlink(h, key, r, v)
	case "clean":
		return w.judgeClean(h, key, r)
	case "readdir":
		return w.judgeNames(h, key, r, start)
	default:
		return w.judgeOther(h, op, r, start)
	}
	return nil
}

func (w *modelWorld) judgeOther(h *modelHost, op modelOp, r modelResult, start int) error {
	up := h.link.get() == linkUp
	switch op.kind {
	case "refresh":
		if r.err == nil && w.indexed() {
			h.floor.listed, h.relisted = true, true
			for n := range modelKeys {
				h.learned(modelKey(n), start)
			}
		}
	case "flush", "restart":
		if up && (r.err != nil || !r.whole) {
			return fmt.Errorf("%s: not everything was sent: %w", op.kind, r.err)
		}
	case "touches":
		return w.judgeTouches(h, up)
	case "drop":
		if r.err == nil && r.id != r.want {
			return fmt.Errorf("an open handle has other content now")
		}
	case "trim":
		clear(h.cached)
	}
	ended := op.kind == "crash" || op.kind == "restart"
	if r.err != nil && (up || ended) && op.kind != "drop" {
		return fmt.Errorf("%s: %w", op.kind, r.err)
	}
	return nil
}

// found is nil if an operation may find a key, or may not, as it did.
func (v modelViews) found(err error) error {
	switch {
	case err == nil && len(v.ids) == 0:
		return fmt.Errorf("found what is not there")
	case errors.Is(err, os.ErrNotExist) && !v.absent:
		return fmt.Errorf("did not find %v", v)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("failed: %w", err)
	}
	return nil
}

func (v modelViews) String() string {
	text := "content"
	for id := range v.ids {
		text += fmt.Sprintf(" %d", id)
	}
	if v.absent {
		text += " or nothing"
	}
	return text
}

func (w *modelWorld) judgeLink(h *modelHost, key string, op modelOp, r modelResult, v modelViews) error {
	switch {
	case r.err == nil && !v.absent:
		return fmt.Errorf("link succeeded although %v is there", v)
	case errors.Is(r.err, syscall.EEXIST) && len(v.ids) == 0:
		return fmt.Errorf("link: EEXIST although nothing is there")
	case r.err != nil && !errors.Is(r.err, syscall.EEXIST):
		return fmt.Errorf("link: %w", r.err)
	case r.err == nil:
		w.publishes(h, key, op, modelEntry{create: true})
	}
	return nil
}

// judgeReplace: what is published stays under --unlink=refuse, and a signature
// gives way to it.
func (w *modelWorld) judgeReplace(h *modelHost, key string, op modelOp, r modelResult, v modelViews) error {
	refuses := h.opt.Unlink == UnlinkRefuse
	mayBeThere := len(v.ids) > 0 || op.kind == "write" // which is of what is there, on a mount
	switch {
	case refuses && mayBeThere && errors.Is(r.err, syscall.EPERM):
		return nil
	case refuses && len(v.ids) > 0 && r.gaveWay && strings.HasSuffix(key, ".siginfo"):
		return nil
	case r.err != nil:
		return fmt.Errorf("%s: %w", op.kind, r.err)
	case r.gaveWay:
		return fmt.Errorf("%s of %v published nothing", op.kind, v)
	case refuses && !v.absent:
		return fmt.Errorf("%s replaced %v although that is refused", op.kind, v)
	}
	w.publishes(h, key, op, modelEntry{create: v.absent || len(v.ids) == 0, replace: len(v.ids) > 0})
	return nil
}

// publishes notes a publish that succeeded.
func (w *modelWorld) publishes(h *modelHost, key string, op modelOp, e modelEntry) {
	e.id, e.seq, e.waited = op.id, w.far.now(), h.link.get() != linkUp
	e.replace = e.replace || h.doubt[key] || h.hidden[key] && h.sends()
	h.published(key, e)
}

func (w *modelWorld) judgeRead(h *modelHost, key string, r modelResult, v modelViews) error {
	for id := range v.ids {
		h.keeps(key, id) // it may be here now, whatever the answer
	}
	if r.err != nil && h.link.get() == linkGarbles {
		h.doubt[key] = true
	}
	switch {
	case r.far && r.err != nil && (v.absent || len(v.ids) > 1):
		return nil // it was replaced or removed after it was opened
	case r.err == nil && r.id == 0:
		return fmt.Errorf("read %d bytes that nobody published", r.bytes)
	case r.err == nil && !v.ids[r.id]:
		return fmt.Errorf("read content %d instead of %v", r.id, v)
	case errors.Is(r.err, os.ErrNotExist) && !v.absent:
		return fmt.Errorf("did not find %v", v)
	case r.err != nil && !errors.Is(r.err, os.ErrNotExist) && !v.trouble:
		return fmt.Errorf("read of %v: %w", v, r.err)
	case r.err == nil:
		h.keeps(key, r.id)
		h.cached[key] = modelCopy{r.id, w.far.now()}
		delete(h.cut, key)
	}
	return nil
}

func (w *modelWorld) judgeStat(h *modelHost, key string, r modelResult, v modelViews) error {
	if err := v.found(r.err); err != nil || r.err != nil {
		return err
	}
	fits := v.cut || h.cut[key] // nobody has looked at it yet
	for id := range v.ids {
		fits = fits || w.contents.size(id) == r.bytes
	}
	switch t, ok := h.shown[key]; {
	case !fits:
		return fmt.Errorf("stat: %d bytes instead of those of %v", r.bytes, v)
	case ok && r.entry.Mtime.Before(t):
		return fmt.Errorf("stat: time %v is from before the last touch, %v", r.entry.Mtime, t)
	case r.entry.Nlink != 1 && !v.cut && !h.cut[key]:
		return fmt.Errorf("stat: %d names", r.entry.Nlink)
	}
	return nil
}

func (w *modelWorld) judgeUnlink(h *modelHost, key string, r modelResult, v modelViews) error {
	refused := errors.Is(r.err, syscall.EPERM)
	switch {
	case refused && h.opt.Unlink == UnlinkRefuse && len(v.ids) > 0:
		return nil
	case r.err == nil && h.opt.Unlink == UnlinkRefuse:
		return fmt.Errorf("unlink succeeded although it is refused")
	}
	if err := v.found(r.err); err != nil || r.err != nil {
		return err
	}
	h.removed(key, modelEntry{seq: w.far.now(), at: w.clock.now(), waited: h.link.get() != linkUp})
	return nil
}

func (w *modelWorld) judgeClean(h *modelHost, key string, r modelResult) error {
	switch {
	case h.opt.ReadOnly && r.err == nil:
		return fmt.Errorf("a read-only mount removed from the remote")
	case h.opt.ReadOnly || h.link.get() != linkUp:
		return nil
	case r.err != nil:
		return fmt.Errorf("clean: %w", r.err)
	}
	h.learned(key, w.cleaned[hostKey{h.n, key}])
	delete(h.cached, key)
	return nil
}

func (w *modelWorld) judgeNames(h *modelHost, key string, r modelResult, start int) error {
	if r.err != nil {
		return fmt.Errorf("readdir: %w", r.err)
	}
	for n := range modelKeys {
		k := modelKey(n)
		if parent(k) != parent(key) || w.traits.NoList {
			continue
		}
		v := w.views(h, k, start)
		switch there := r.names[k]; {
		case there && len(v.ids) == 0:
			return fmt.Errorf("readdir shows key %d, which is not there", n)
		case !there && !v.absent && h.link.get() == linkUp:
			return fmt.Errorf("readdir does not show key %d, %v", n, v)
		}
	}
	return nil
}

// judgeTouches: the remote has heard of what was used, by a time that is at
// most the touch interval older.
func (w *modelWorld) judgeTouches(h *modelHost, up bool) error {
	if !up || h.opt.ReadOnly {
		return nil
	}
	for key, t := range h.used {
		delete(h.used, key)
		far, there := w.far.timeOf(key)
		if oldest := t.Add(-defaultTouchInterval); there && far.Before(oldest) {
			return fmt.Errorf("%s was used at %v, and the remote's time is %v", key, t, far)
		}
	}
	return nil
}

// judgeEvents checks what reached the remote: nothing but what was asked for,
// and what others have published since it was stays.
func (w *modelWorld) judgeEvents(events []modelEvent) error {
	for _, e := range events {
		if e.err != "" {
			return fmt.Errorf("host %d: %s of %s %s", e.host, e.op, e.key, e.err)
		}
		if e.host == outsider {
			continue
		}
		var err error
		switch h := w.hosts[e.host]; e.op {
		case "put":
			err = h.judgePut(e)
		case "delete":
			if !w.cleans[hostKey{e.host, e.key}] {
				err = h.judgeDelete(e)
			}
		case "stat":
			h.asked[e.key] = e.seq
		}
		if err != nil {
			return fmt.Errorf("host %d: %w (%s)", e.host, err, e.key)
		}
	}
	return nil
}

func (h *modelHost) judgePut(e modelEvent) error {
	for i := range h.pending[e.key] {
		p := &h.pending[e.key][i]
		if p.id != e.id || p.id == 0 {
			continue
		}
		switch {
		case e.exist:
			p.exist = e.seq
			return nil
		case !e.create && !p.replace:
			return fmt.Errorf("content %d replaces, and was to be created", e.id)
		}
		p.sent = e.seq
		return nil
	}
	return fmt.Errorf("sends content %d, which it was not asked to", e.id)
}

func (h *modelHost) judgeDelete(e modelEvent) error {
	for i := range h.pending[e.key] {
		p := &h.pending[e.key][i]
		if p.id != 0 {
			continue
		}
		p.sent = e.seq
		newer := e.was.id != 0 && e.was.host != h.n && e.was.seq > p.seq
		raced := h.asked[e.key] >= p.seq && e.was.seq > h.asked[e.key] // it came after a look at what is there
		if newer && p.waited && !raced {
			return fmt.Errorf("a late removal takes content %d, which host %d has published since", e.was.id, e.was.host)
		}
		return nil
	}
	return fmt.Errorf("removes what it was not asked to")
}

// resolve ends what a host was asked for once it is not in its queue: the
// remote must have seen it.
func (w *modelWorld) resolve(h *modelHost) error {
	for key, entries := range h.pending {
		if h.queue.pending(key) {
			continue
		}
		last := entries[len(entries)-1]
		if err := w.ended(h, key, last); err != nil {
			return fmt.Errorf("host %d: %w (%s)", h.n, err, key)
		}
		delete(h.pending, key)
	}
	return nil
}

func (w *modelWorld) ended(h *modelHost, key string, e modelEntry) error {
	switch {
	case e.id == 0 && e.sent > 0:
		delete(h.hidden, key)
		h.learned(key, e.sent)
	case e.id == 0:
		if used, there := w.far.timeOf(key); there && !used.After(e.at) && !w.publishedSince(key, e.seq) {
			return fmt.Errorf("a removal never reached the remote")
		}
		delete(h.hidden, key)
		h.learned(key, h.asked[key])
	case e.risky: // its daemon may have set it aside, and not know who sent it
	case e.sent > 0:
		h.learned(key, e.sent)
		if e.exist == 0 || h.link.get() != linkGarbles { // else it may have looked like another's
			h.cached[key] = modelCopy{e.id, e.sent}
		}
	case e.exist > 0 && e.create:
		h.learned(key, e.exist)
		delete(h.had[key], e.id) // from now on theirs counts
	default:
		return fmt.Errorf("content %d was acknowledged and never reached the remote", e.id)
	}
	return nil
}

// publishedSince tells whether others have published a key since an event.
func (w *modelWorld) publishedSince(key string, seq int) bool {
	for _, v := range w.far.since(key, seq) {
		if v.seq > seq && v.id != 0 {
			return true
		}
	}
	return false
}
