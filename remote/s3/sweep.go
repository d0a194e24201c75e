package s3

import (
	"context"
	"errors"
	"strings"

	"sstatefs/remote"
)

// errUnordered is a listing that does not come in the order of names: AWS's
// directory buckets have none.
var errUnordered = errors.New("the server lists in no order")

// Sweep see remote.Sweeper. It is one page after the other, a request for each
// thousand names whatever folders they are in, and the next page is asked for
// when the last one was taken. Of foreign names those are
// told that lie beside objects: who copies an SSTATE_DIR into a bucket copies
// what killed builds have left there, too. The rest of a bucket may be anything.
func (b *Bucket) Sweep(ctx context.Context, fn func(folder string, files []remote.Info) error) error {
	if err := b.listable(ctx, "sweep", ""); err != nil {
		return err
	}
	s := sweep{b: b, fn: fn}
	err := b.pages(ctx, span{prefix: b.s.root}, s.page)
	if err == nil && s.err == nil {
		s.close("", true)
	}
	switch {
	case s.own != nil:
		return s.own
	case s.err != nil:
		return s.err
	case ctx.Err() != nil:
		return remote.Ended(ctx, "s3: sweep", "")
	}
	return b.fail(ctx, "sweep", "", err)
}

// A sweep puts the files of a sorted listing together by folder. Names of a
// folder that is inside another come between those of the outer one.
type sweep struct {
	b    *Bucket
	fn   func(folder string, files []remote.Info) error
	open []leaf // each inside the one before it
	last string // name
	own  error  // of fn
	err  error
}

// A leaf is a folder with the files of it that were listed so far.
type leaf struct {
	folder string
	files  []remote.Info
}

// page takes a page and tells whether to go on.
func (s *sweep) page(p *page) bool {
	p.entries = once(p.entries, s.last)
	for _, e := range p.entries { // before anything of a first page is told
		if e.name < s.last {
			s.err = kindly("sweep", "", remote.ErrUnsupported, "%v", errUnordered)
			return false
		}
		s.last = e.name
	}
	for _, e := range p.entries {
		key, ok := s.b.key(e.name)
		if !ok || !key.IsObject() && !key.IsTemporary() && !isBesideObjects(key) {
			continue
		}
		if s.add(remote.Info{Key: key, Size: e.size, ModTime: e.time}); s.own != nil {
			return false
		}
	}
	return true
}

// isBesideObjects tells a name below two folders of two letters, the one in the
// other, as a hash has them.
func isBesideObjects(key remote.Key) bool {
	before := ""
	folder, _ := key.Split()
	for name := range strings.SplitSeq(folder, "/") {
		if len(before) == 2 && len(name) == 2 {
			return true
		}
		before = name
	}
	return false
}

// add takes the next file.
func (s *sweep) add(info remote.Info) {
	folder, _ := info.Key.Split()
	s.close(folder, false)
	if n := len(s.open); n == 0 || s.open[n-1].folder != folder {
		s.open = append(s.open, leaf{folder: folder})
	}
	top := &s.open[len(s.open)-1]
	top.files = append(top.files, info)
}

// close hands on the folders that are complete when the listing has come to a
// file of folder, or to its end.
func (s *sweep) close(folder string, end bool) {
	for n := len(s.open) - 1; n >= 0 && s.own == nil; n-- {
		top := s.open[n]
		if !end && (top.folder == folder || top.folder == "" || strings.HasPrefix(folder, top.folder+"/")) {
			return
		}
		s.open = s.open[:n]
		s.own = s.fn(top.folder, top.files)
	}
}
