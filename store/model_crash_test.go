package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// restart ends a host's daemon properly and starts the next.
func (w *modelWorld) restart(h *modelHost, op modelOp) (r modelResult) {
	h.dropAll()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	left, err := h.Close(ctx)
	r.err, r.whole = err, left.Objects == 0 && left.Held == 0
	h.saved = h.floor.clone()
	if e := w.reopen(h, h.opt.Dir, op); e != nil {
		r.err = e
	}
	return r
}

// reopen starts a daemon after the last one, on what that left in dir.
func (w *modelWorld) reopen(h *modelHost, dir string, op modelOp) error {
	h.dateRemovals(layout{dir})
	h.restarted()
	h.floor = h.saved.clone()
	start := w.far.now()
	if err := w.open(h, dir); err != nil {
		return err
	}
	if !op.waits() || h.link.get() != linkUp || !w.indexed() {
		return nil
	}
	for deadline := time.Now().Add(20 * time.Second); !h.Status().Index.Complete; pause(100) {
		if time.Now().After(deadline) {
			return fmt.Errorf("the first listing does not end: %+v", h.Status())
		}
	}
	h.floor.listed, h.relisted = true, true
	for n := range modelKeys {
		h.learned(modelKey(n), start)
	}
	return nil
}

// dateRemovals gives the records of removals the times of our clock: the file
// system has another.
func (h *modelHost) dateRemovals(l layout) {
	for _, e := range entriesIn(l) {
		for _, p := range h.pending[e.key] {
			if e.op == opRemove && p.id == 0 {
				_ = os.Chtimes(e.path, p.at, p.at)
			}
		}
	}
}

// crash kills a host's daemon: the next one gets what the disk had at that
// moment.
func (w *modelWorld) crash(h *modelHost, op modelOp) (r modelResult) {
	h.dropAll()
	ended := func() {}
	if op.kind == "crash-put" {
		ended, r.err = w.beginPut(h, op)
	}
	dir := filepath.Join(w.dir, fmt.Sprintf("host%d-%d", h.n, h.life+1))
	if err := copyTree(h.opt.Dir, dir); err != nil {
		return modelResult{err: err}
	}
	state := h.link.get()
	h.link.set(linkDown) // the dead send nothing
	ended()
	h.kill()
	h.link.set(state)
	if err := w.wreck(h, dir, op.wreck()); err != nil {
		return modelResult{err: err}
	}
	_ = os.RemoveAll(h.opt.Dir)
	if err := w.reopen(h, dir, op); err != nil {
		return modelResult{err: fmt.Errorf("open after a crash: %w", err)}
	}
	return r
}

// kill ends the daemon without what it does at its end.
func (h *modelHost) kill() {
	h.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = h.guard.Close(ctx)
	h.wg.Wait()
	_ = h.lockFile.Close()
	h.closed.Do(func() {})
}

// beginPut publishes, and returns when the content is at the remote's door. It
// is acknowledged by then: it is in the queue. A publish that nobody is to hear
// of has just ended.
func (w *modelWorld) beginPut(h *modelHost, op modelOp) (end func(), err error) {
	reached, resume := h.link.stop(op.stage())
	done := make(chan error, 1)
	go func() { done <- w.linkIn(h, modelKey(op.key), op) }()
	end = func() { resume(); <-done }
	select {
	case <-reached:
		return end, nil
	case err := <-done:
		done <- err
		if err != nil || h.opt.ReadOnly || h.link.get() == linkDown || h.link.get() == linkRefuses {
			return end, err
		}
	}
	select {
	case <-reached:
		return end, nil
	case <-time.After(10 * time.Second):
		return end, fmt.Errorf("an acknowledged publish is not sent")
	}
}

// copyTree gives all files below from a second name below to, as they are at
// one moment.
func copyTree(from, to string) error {
	for range 100 {
		before := treeOf(from)
		for _, path := range before {
			var err error
			if name, folder := strings.CutSuffix(path, "/"); folder {
				err = os.Mkdir(to+name, 0o775)
			} else {
				err = os.Link(from+path, to+path)
			}
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if slices.Equal(before, treeOf(from)) && slices.Equal(before, treeOf(to)) {
			return nil
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: never at rest", from)
}

// treeOf lists the files below a folder, and all folders.
func treeOf(dir string) (files []string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if path = strings.TrimPrefix(path, dir); err == nil && d.IsDir() {
			files = append(files, path+"/")
		} else if err == nil {
			files = append(files, path)
		}
		return nil
	})
	return files
}

// wreck does to a cache directory what a kill may have done.
func (w *modelWorld) wreck(h *modelHost, dir string, how modelWreck) error {
	l := layout{dir}
	if how.half {
		for key, o := range lastEntries(l) {
			if o == opRemove {
				_ = os.Remove(l.removed(key))
			} else {
				_ = os.Remove(l.object(key))
			}
		}
	}
	if how.rests {
		if err := os.WriteFile(l.path("fetch", "77"), []byte("half of someth"), 0o644); err != nil {
			return err
		}
		for _, o := range []op{opCreate, opReplace, opRemove} {
			if err := os.MkdirAll(l.path("queue", fmt.Sprintf("%020d-%s", 999_999, o)), 0o755); err != nil {
				return err
			}
		}
	}
	if how.powerCut && !h.opt.ReadOnly {
		return w.cutPower(h, l)
	}
	return nil
}

// lastEntries are the last entries of all keys in a queue.
func lastEntries(l layout) map[string]op {
	last, seqs := map[string]op{}, map[string]string{}
	for _, e := range entriesIn(l) {
		if e.seq >= seqs[e.key] {
			last[e.key], seqs[e.key] = e.op, e.seq
		}
	}
	return last
}

// queuedFile is a file in a queue.
type queuedFile struct {
	path, key, seq string
	op             op
}

// entriesIn finds the files in a queue, held ones too. Only the base name of
// the object and the beginning of the folder's name, SEQ-OP, are relied on.
func entriesIn(l layout) (all []queuedFile) {
	_ = filepath.WalkDir(l.path("queue"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		dir := strings.TrimPrefix(strings.TrimPrefix(path, l.path("queue")+"/"), "held/")
		parts := strings.SplitN(strings.SplitN(dir, "/", 2)[0], "-", 3)
		for n := range modelKeys {
			if key := modelKey(n); filepath.Base(key) == d.Name() && len(parts) > 1 {
				all = append(all, queuedFile{path, key, parts[0], op(parts[1])})
			}
		}
		return nil
	})
	return all
}

// cutPower lets half of the objects lose their end, as they may that were not
// synced, and tells the next daemon that the machine has started anew.
func (w *modelWorld) cutPower(h *modelHost, l layout) error {
	clear(h.cached)
	for n := range modelKeys {
		key := modelKey(n)
		info, err := os.Stat(l.object(key))
		if err != nil || info.Size()%2 == 0 {
			continue
		}
		if err := os.Truncate(l.object(key), info.Size()*2/3); err != nil {
			return err
		}
		w.cut[key], h.cut[key] = true, true
		for i := range h.pending[key] {
			h.pending[key][i].risky = true
		}
	}
	return os.WriteFile(l.path("running"), []byte("another boot"), 0o644)
}
