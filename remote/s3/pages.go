package s3

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"

	"sstatefs/remote"
)

// emptyPages bounds how many pages in a row may hold nothing. AWS gives a few
// where much was deleted.
const emptyPages = 1000

// mostPages bounds the pages of one listing: a hundred million names.
const mostPages = 100_000

// errEndless is a listing that goes on and on.
var errEndless = errors.New("the listing does not end: it has more than a hundred million names")

// errNoAdvance is a listing that goes round in circles.
var errNoAdvance = errors.New("the listing does not advance: the server gives the same page again")

// pages asks for one page after the other until yield is false or there are no
// more. Its errors are the SDK's.
func (b *Bucket) pages(ctx context.Context, s span, yield func(*page) bool) error {
	tokens := newTokens(b.mostPages)
	prefixes := make(map[string]struct{}) // rclone gives all of them on every page
	empty := 0
	for {
		p, err := b.page(ctx, s)
		if err != nil {
			return err
		}
		remote.Progress(ctx)
		p.prefixes = slices.DeleteFunc(p.prefixes, func(prefix string) bool {
			_, again := prefixes[prefix]
			prefixes[prefix] = struct{}{}
			return again
		})
		if !yield(p) || !p.truncated {
			return nil
		}
		empty++
		if len(p.entries)+len(p.prefixes) > 0 {
			empty = 0
		}
		if p.next == "" || empty > emptyPages {
			return errNoAdvance
		}
		if err := tokens.add(p.next); err != nil {
			return err
		}
		s.token = p.next
	}
}

// tokens are those of one listing so far, by which its end is certain.
type tokens struct {
	most int
	seed maphash.Seed
	seen map[uint64]struct{} // hashes: a token may be long
}

func newTokens(most int) *tokens {
	return &tokens{most: most, seed: maphash.MakeSeed(), seen: make(map[uint64]struct{})}
}

// add takes the token of the next page, unless the listing goes round in
// circles or has too many pages.
func (t *tokens) add(token string) error {
	hash := maphash.String(t.seed, token)
	if _, again := t.seen[hash]; again {
		return errNoAdvance
	}
	if len(t.seen) >= t.most {
		return errEndless
	}
	t.seen[hash] = struct{}{}
	return nil
}
