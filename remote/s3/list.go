package s3

import (
	"context"
	"strings"
	"unicode/utf8"

	"sstatefs/remote"
)

// List see remote.Remote.
func (b *Bucket) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	return b.enumerate(ctx, "list", prefix, remote.Key.IsObject, fn)
}

// Leftovers see remote.LeftoverLister. It has to list everything. What is left
// of uploads is found by Uploads.
func (b *Bucket) Leftovers(ctx context.Context, fn func(remote.Info) error) error {
	return b.enumerate(ctx, "leftovers", "", remote.Key.IsTemporary, fn)
}

// key gives the key of a name in the bucket. It is false for what is none: the
// marks of empty folders, which end in a slash, and names that the server could
// not write in XML.
func (b *Bucket) key(name string) (remote.Key, bool) {
	key, ok := strings.CutPrefix(name, b.s.root)
	return remote.Key(key), ok && remote.Key(key).Valid() && !strings.ContainsRune(key, utf8.RuneError)
}

// enumerate calls fn for everything below prefix that is wanted.
func (b *Bucket) enumerate(ctx context.Context, op, prefix string, want func(remote.Key) bool, fn func(remote.Info) error) error {
	if err := b.listable(ctx, op, prefix); err != nil {
		return err
	}
	if remote.Key(prefix).IsTemporary() {
		return nil
	}
	err, own := remote.Gather(ctx, fn, func(ctx context.Context, hand func([]remote.Info) error) error {
		t := &tree{b: b, want: want, hand: hand}
		return t.list(ctx, b.folder(prefix))
	})
	if own != nil {
		return own
	}
	return b.fail(ctx, op, remote.Key(prefix), err)
}

// listable checks what every listing needs.
func (b *Bucket) listable(ctx context.Context, op, prefix string) error {
	if prefix != "" {
		if err := begin(ctx, op, remote.Key(prefix)); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return remote.Ended(ctx, "s3: "+op, "")
	}
	if b.Traits().NoList {
		return unsupported(op, remote.Key(prefix), "listing is not allowed")
	}
	return nil
}

// folder is what the names below a prefix begin with.
func (b *Bucket) folder(prefix string) string {
	if prefix == "" {
		return b.s.root
	}
	return b.s.root + prefix + "/"
}

// Folders see remote.FolderLister.
func (b *Bucket) Folders(ctx context.Context, prefix string, fn func(remote.Folder) error) error {
	if err := b.listable(ctx, "folders", prefix); err != nil {
		return err
	}
	folder := b.folder(prefix)
	var own error
	err := b.pages(ctx, span{prefix: folder, delimiter: "/"}, func(p *page) bool {
		for _, full := range p.prefixes {
			name := strings.TrimSuffix(strings.TrimPrefix(full, folder), "/")
			if !remote.Key(name).Valid() || strings.ContainsRune(name, utf8.RuneError) {
				continue
			}
			if own = fn(remote.Folder{Name: name}); own != nil {
				return false
			}
		}
		return true
	})
	if own != nil {
		return own
	}
	return b.fail(ctx, "folders", remote.Key(prefix), err)
}
