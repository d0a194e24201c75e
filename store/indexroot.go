package store

import (
	"context"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// Which folders at the root may be an EXTRAPATH only a look below them tells,
// and a bucket may hold thousands that are not ours: one with a million plain
// keys would have to be listed to the end.
const (
	// maxStrange is up to how many folders of unusual names are looked into.
	// Where there are more, those that are looked up are found all the same.
	maxStrange = 16

	// strangeTime bounds such a look.
	strangeTime = 2 * time.Second
)

// discover finds the shards of the remote: hex pairs at its root, and below
// other folders there that may be an EXTRAPATH. again looks also into those
// that led nowhere before. One that cannot be listed stays unexamined, and is
// no reason to leave the rest of the remote alone.
func (x *index) discover(ctx context.Context, again bool) error {
	begun := x.now()
	found, others, timed := []string{}, []string{}, false
	err := x.folders(ctx, "", func(f remote.Folder) error {
		timed = timed || !f.ModTime.IsZero()
		if sstate.IsFolder(f.Name) {
			found = append(found, f.Name)
		} else if f.Name != sstate.FeedFolder && sstate.IsFolder(f.Name+"/ab") {
			others = append(others, f.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.timed = timed
	x.mu.Unlock()
	likely, strange, unexamined := x.sift(others, again)
	for _, o := range likely {
		if found, err = x.shardsBelow(ctx, o, found); err != nil {
			unexamined[o] = true
		}
	}
	for _, o := range strange {
		if len(strange) > maxStrange || !x.peek(ctx, o, &found) {
			unexamined[o] = true
		}
	}
	x.rooted(root{known: true, listed: begun, unexamined: unexamined}, found)
	return ctx.Err()
}

// sift tells folders that look like an EXTRAPATH, or are one, from others that
// need a look, and from those where that was too much before.
func (x *index) sift(others []string, again bool) (likely, strange []string, unexamined map[string]bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	known := map[string]bool{}
	for name, sh := range x.shards {
		known[parent(name)] = known[parent(name)] || sh.found || sh.content.size() > 0
	}
	unexamined = map[string]bool{}
	for _, o := range others {
		switch {
		case looksNative(o) || known[o]:
			likely = append(likely, o)
		case x.root.unexamined[o] && !again:
			unexamined[o] = true
		default:
			strange = append(strange, o)
		}
	}
	return likely, strange, unexamined
}

// shardsBelow adds the shards below a folder of the root to found.
func (x *index) shardsBelow(ctx context.Context, extra string, found []string) ([]string, error) {
	err := x.folders(ctx, extra, func(f remote.Folder) error {
		if p := extra + "/" + f.Name; sstate.IsFolder(p) {
			found = append(found, p)
		}
		return nil
	})
	return found, err
}

// peek is shardsBelow for a folder that is probably not ours. It reports whether it
// was seen to the end.
func (x *index) peek(ctx context.Context, extra string, found *[]string) bool {
	ctx, cancel := context.WithTimeout(ctx, strangeTime)
	defer cancel()
	more, err := x.shardsBelow(ctx, extra, nil)
	*found = append(*found, more...)
	return err == nil
}

// rooted notes what discover found.
func (x *index) rooted(r root, found []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	there := map[string]bool{}
	for _, name := range found {
		there[name] = true
		if x.shards[name] == nil {
			x.shard(name).news = x.root.lacks(name)
		}
	}
	x.root = r
	for name, sh := range x.shards {
		sh.found = there[name] || sh.found && r.unexamined[parent(name)]
	}
}
