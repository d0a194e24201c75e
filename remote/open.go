package remote

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// OpenOptions says how a remote is opened.
type OpenOptions struct {
	ReadOnly bool // refuse every change
	Create   bool // make the root if it is missing

	// Later leaves out every trial of what the remote can do until an operation
	// needs its result: for who lists and deletes only. Traits are guesses then.
	Later bool

	// Known says that a cache has used this remote before. A root that is
	// missing or does not answer is then a remote that is offline, and no
	// error of Open.
	Known bool

	// Identity is the Traits.Identity that the cache knew last, or empty.
	Identity string

	// Learned is what Learner.Learned gave when the cache saw the remote last,
	// or empty.
	Learned string

	Access Access
}

// Access says where a backend finds what lets it in. It names files and holds
// no secret; what is empty is looked for in the usual places.
type Access struct {
	PasswordFile string // its first line is the password of the URL's user
	CAFile       string // PEM: authorities that are trusted beside the system's
	CertFile     string // PEM: client certificate
	KeyFile      string // PEM: its key, if that is not in CertFile

	// Insecure believes any certificate of a server. Who is in between reads and
	// changes everything, so that a remote tells it among its Abilities.
	Insecure bool

	// Getenv reads the environment (os.Getenv).
	Getenv func(string) string
}

// Abilities are what is worth to be told about the way a remote is let in.
func (a Access) Abilities() []Ability {
	if !a.Insecure {
		return nil
	}
	return []Ability{{
		Name: "tls", Value: "not verified (--insecure)",
		Warn: "whoever is between this host and the server can read the password and change objects: give the server's authority with --ca-file",
	}}
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
	u, open, err := m.find(address)
	if err != nil {
		return nil, err
	}
	return open(ctx, u.String(), o)
}

// Check is the error that Open gives for an address that it cannot make sense
// of. It does no I/O.
func (m Openers) Check(address string) error {
	_, _, err := m.find(address)
	return err
}

func (m Openers) find(address string) (*url.URL, Opener, error) {
	u, err := parseAddress(address)
	if err != nil {
		return nil, nil, err
	}
	open := m[u.Scheme]
	if open == nil {
		known := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
		return nil, nil, fmt.Errorf("remote %q: unknown scheme %q (known: %s)", withoutSecrets(u), u.Scheme, known)
	}
	return u, open, nil
}
