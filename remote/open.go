package remote

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// OpenOptions says how a remote is opened.
type OpenOptions struct {
	ReadOnly bool // refuse every change
	Create   bool // make the root if it is missing

	// Known says that a cache has used this remote before. A root that is
	// missing or does not answer is then a remote that is offline, and no
	// error of Open.
	Known bool

	// Identity is the Traits.Identity that the cache knew last, or empty.
	Identity string
}

// An Opener opens the remotes of one scheme. It takes what Openers.Open hands
// on: a URL of that scheme, possibly with credentials, which must not get into
// any error.
type Opener func(ctx context.Context, address string, o OpenOptions) (Remote, error)

// Openers maps schemes ("file", "https") to their openers.
type Openers map[string]Opener

// Open opens the remote at address: a directory ("/srv/sstate", "./cache") or
// a URL.
func (m Openers) Open(ctx context.Context, address string, o OpenOptions) (Remote, error) {
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	open := m[u.Scheme]
	if open == nil {
		known := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
		return nil, fmt.Errorf("remote %q: unknown scheme %q (known: %s)", withoutSecrets(u), u.Scheme, known)
	}
	return open(ctx, u.String(), o)
}
