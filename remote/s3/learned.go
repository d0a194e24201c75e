package s3

import (
	"context"
	"strings"

	"sstatefs/remote"
)

// A copyWay is a way to move an object's time on the server.
type copyWay string

const (
	copyNone  copyWay = "none"  // by no way
	copySelf  copyWay = "self"  // by a copy onto itself
	copyThere copyWay = "there" // by a copy to a temporary and back
	copyLater copyWay = "later" // by one of these two, the first touch finds out which
)

// facts are what a server does, as far as servers differ.
type facts struct {
	create   bool // If-None-Match holds for PutObject
	complete bool // and for CompleteMultipartUpload
	replace  bool // If-Match holds for PutObject
	copyIf   bool // If-Match holds for the target of CopyObject
	sums     bool // a SHA-256 sent along is verified and kept
	md5      bool // the ETag of an object put with one request is its MD5
	removes  bool // objects may be deleted
	lists    bool // the bucket could be listed; without it that is not known
	copies   copyWay
}

// learnedVersion begins the text of facts. What another version found out is
// found out again.
const learnedVersion = "s3/2"

// flags are the facts that are true or false, by name.
func (f *facts) flags() map[string]*bool {
	return map[string]*bool{
		"put-if-absent": &f.create, "complete-if-absent": &f.complete, "put-if-match": &f.replace,
		"copy-if-match": &f.copyIf, "sha256": &f.sums, "etag-md5": &f.md5, "delete": &f.removes, "list": &f.lists,
	}
}

// flagOrder makes the text the same for the same facts.
var flagOrder = []string{"put-if-absent", "complete-if-absent", "put-if-match", "copy-if-match", "sha256", "etag-md5", "delete", "list"}

func (f facts) String() string {
	text := learnedVersion + " copy=" + string(f.copies)
	flags := f.flags()
	for _, name := range flagOrder {
		if *flags[name] {
			text += " " + name
		}
	}
	return text
}

// parseFacts reads what String wrote. It is false for anything else.
func parseFacts(text string) (facts, bool) {
	words := strings.Fields(text)
	if len(words) < 2 || words[0] != learnedVersion {
		return facts{}, false
	}
	var f facts
	switch way := copyWay(strings.TrimPrefix(words[1], "copy=")); way {
	case copyNone, copySelf, copyThere, copyLater:
		f.copies = way
	default:
		return facts{}, false
	}
	flags := f.flags()
	for _, word := range words[2:] {
		flag := flags[word]
		if flag == nil {
			return facts{}, false
		}
		*flag = true
	}
	return f, true
}

// Learned see remote.Learner. Rights are not learned: they may be given later.
func (b *Bucket) Learned() string {
	f := b.facts.Load()
	if f == nil || b.Traits().ReadOnly && !b.o.ReadOnly {
		return ""
	}
	known := *f
	known.lists = b.lists.Load()
	return known.String()
}

// adopt takes facts for true.
func (b *Bucket) adopt(f facts) {
	b.facts.Store(&f)
	b.change(func(t *remote.Traits) {
		t.AtomicCreate = f.create && f.complete
		t.Touch = remote.TouchOnServer
		if f.copies == copyNone {
			t.Touch = remote.TouchByPut
		}
	})
}

// findings gives the facts, and finds them out if that did not happen yet
// because the server was away.
func (b *Bucket) findings(ctx context.Context, op string) (facts, error) {
	return b.find(ctx, op, b.facts.Load, b.probe, b.adopt)
}

// touchFindings gives the facts, the way of touches among them.
func (b *Bucket) touchFindings(ctx context.Context, op string) (facts, error) {
	f, err := b.findings(ctx, op)
	if err != nil || f.copies != copyLater {
		return f, err
	}
	known := func() *facts {
		if f := b.facts.Load(); f.copies != copyLater {
			return f
		}
		return nil
	}
	return b.find(ctx, op, known, func(ctx context.Context) (facts, error) {
		return b.try(ctx, f, (*probe).tryCopies)
	}, b.adopt)
}

// Explore see remote.Explorer. The way of touches is what is left.
func (b *Bucket) Explore(ctx context.Context) error {
	if b.Traits().ReadOnly {
		return nil
	}
	_, err := b.touchFindings(ctx, "explore")
	return err
}

// find gives what is known, or else searches and keeps, one caller at a time.
func (b *Bucket) find(
	ctx context.Context, op string, known func() *facts, search func(context.Context) (facts, error), keep func(facts),
) (facts, error) {
	if f := known(); f != nil {
		return *f, nil
	}
	select {
	case b.probing <- struct{}{}:
		defer func() { <-b.probing }()
	case <-ctx.Done():
		return facts{}, remote.Ended(ctx, "s3: "+op, "")
	}
	if f := known(); f != nil {
		return *f, nil
	}
	f, err := search(ctx)
	switch {
	case err != nil && isDenied(err):
		b.change(func(t *remote.Traits) { t.ReadOnly = true })
		return facts{}, nil
	case err != nil:
		return facts{}, b.fail(ctx, op, "", err)
	}
	keep(f)
	return f, nil
}
