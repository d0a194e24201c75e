package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"sstatefs/remote"
)

// errIdle says that an operation had nothing to do.
var errIdle = errors.New("nothing to do")

// do makes a host do something.
func (w *modelWorld) do(h *modelHost, op modelOp) (r modelResult) {
	ctx, key := context.Background(), modelKey(op.key)
	switch op.kind {
	case "link":
		r.err = w.linkIn(h, key, op)
	case "rename":
		var tmp string
		if tmp, r.err = w.scratch(h, key, op); r.err == nil {
			before := h.Stats().Published.Objects
			r.err = h.Rename(ctx, tmp, key, 0)
			r.gaveWay = r.err == nil && h.Stats().Published.Objects == before
		}
	case "write":
		r.err = w.writeOver(h, key, op)
	case "read", "hold":
		return w.read(h, key, op.kind == "hold")
	case "stat":
		r.entry, r.err = h.Lookup(ctx, key)
		r.bytes = r.entry.Size
	case "touch":
		now := w.clock.now()
		_, r.err = h.SetTimes(ctx, key, Times{Mtime: &now, Atime: &now, Now: true})
	case "unlink":
		r.err = h.Unlink(ctx, key)
	case "clean":
		r.err = h.Shared().Delete(ctx, remote.Key(key))
	case "readdir":
		r.names, r.err = namesIn(h, parent(key))
	case "drop":
		return w.drop(h, key)
	default:
		return w.doMore(h, op)
	}
	return r
}

// doMore is do for what is not about a key.
func (w *modelWorld) doMore(h *modelHost, op modelOp) (r modelResult) {
	ctx := context.Background()
	switch op.kind {
	case "refresh":
		_, r.err = h.Refresh(ctx)
	case "trim":
		_, r.err = h.Trim(ctx)
	case "flush":
		var left Left
		left, r.err = h.Flush(ctx, nil)
		r.whole = left.Objects == 0 && left.Held == 0
	case "touches":
		h.touchAll(ctx, h.touches.takeAll)
	case "save":
		h.saveIndex()
		h.saved = h.floor.clone()
	case "restart":
		return w.restart(h, op)
	case "crash", "crash-put":
		return w.crash(h, op)
	case "advance":
		w.clock.add(op.hours())
	default:
		w.doLink(h, op)
	}
	return r
}

// doLink changes the way to the remote, or the remote itself.
func (w *modelWorld) doLink(h *modelHost, op modelOp) {
	states := map[string]linkState{"down": linkDown, "up": linkUp, "refuse": linkRefuses, "garble": linkGarbles}
	ctx, key := context.Background(), modelKey(op.key)
	switch op.kind {
	case "down", "up", "refuse", "garble":
		h.link.set(states[op.kind])
		clear(h.used)
	case "lose":
		h.link.loseNext()
	case "foreign-put":
		_ = w.far.put(ctx, outsider, remote.Key(key), w.contents.make(key, op), remote.PutOptions{})
	case "foreign-delete":
		_ = w.far.delete(ctx, outsider, remote.Key(key))
	}
}

// scratch makes a temporary with an operation's content.
func (w *modelWorld) scratch(h *modelHost, key string, op modelOp) (string, error) {
	tmp := fmt.Sprintf("%s.%08d", key, op.id)
	if strings.HasSuffix(key, ".siginfo") {
		tmp = fmt.Sprintf("%s/sigtask.%08d", parent(key), op.id)
	}
	f, _, err := h.CreateFile(context.Background(), tmp, os.O_RDWR|os.O_EXCL, 0o664, Caller{})
	if err != nil {
		return "", err
	}
	_, err = f.Write(w.contents.make(key, op))
	return tmp, errors.Join(err, f.Close())
}

func (w *modelWorld) linkIn(h *modelHost, key string, op modelOp) error {
	tmp, err := w.scratch(h, key, op)
	if err != nil {
		return err
	}
	_, err = h.Link(context.Background(), tmp, key)
	return errors.Join(err, h.Unlink(context.Background(), tmp))
}

// writeOver gives a name new content as cp does.
func (w *modelWorld) writeOver(h *modelHost, key string, op modelOp) error {
	d, err := h.EditDraft(context.Background(), key, true)
	if err != nil {
		return err
	}
	_, err = d.WriteAt(w.contents.make(key, op), 0)
	published, e := d.Close(context.Background())
	if err = errors.Join(err, e); err == nil && !published {
		err = fmt.Errorf("not published")
	}
	return err
}

func (w *modelWorld) read(h *modelHost, key string, hold bool) (r modelResult) {
	o, err := h.Open(context.Background(), key)
	if err != nil {
		return modelResult{err: err}
	}
	content, err := readObject(o)
	r = modelResult{err: err, bytes: int64(len(content)), id: w.contents.find(key, content), far: o.File == nil}
	if !hold || err != nil {
		_ = o.Close()
		return r
	}
	h.handles[key] = append(h.handles[key], modelHandle{o, r.id})
	return r
}

// drop reads what a handle has that was open for a while, and closes it.
func (w *modelWorld) drop(h *modelHost, key string) (r modelResult) {
	handles := h.handles[key]
	if len(handles) == 0 {
		return modelResult{err: errIdle}
	}
	first := handles[0]
	h.handles[key] = handles[1:]
	content, err := readObject(first.object)
	if first.object.File == nil && err != nil {
		r.err = err // replaced, or out of reach
	}
	r.id, r.want = w.contents.find(key, content), first.id
	_ = first.object.Close()
	return r
}

func namesIn(h *modelHost, dir string) (map[string]bool, error) {
	list, err := h.ReadDir(context.Background(), dir)
	names := map[string]bool{}
	for _, e := range list {
		names[join(dir, e.Name)] = true
	}
	if errors.Is(err, syscall.ENOENT) {
		err = nil
	}
	return names, err
}
