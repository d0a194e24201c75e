package webdav

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/transport"
)

// DAV is a folder of a web server that holds objects.
type DAV struct {
	address string // for people
	o       remote.OpenOptions
	client  *client
	before  string // the Learned line of the cache, if it fits

	known  atomic.Pointer[known]
	traits atomic.Pointer[remote.Traits]
	denied atomic.Pointer[string] // why the server takes no changes, nil if it does
	server atomic.Pointer[string] // fingerprint
	looked atomic.Bool            // the server has answered, and known is no guess
	opened atomic.Bool            // Open has returned, somebody may act upon the traits
	turn   chan struct{}          // holds a token while somebody looks

	listings atomic.Int64 // of the folders of the root

	askedLimit, answerLimit int64 // of one listing, see walk

	folders folders
	making  transport.KeyLocks // of folders that are made
	locks   transport.KeyLocks
	memory  *transport.Budget // of large downloads
	parsers sync.Pool         // of *parser
}

var (
	_ remote.Remote         = (*DAV)(nil)
	_ remote.FolderLister   = (*DAV)(nil)
	_ remote.LeftoverLister = (*DAV)(nil)
	_ remote.Prober         = (*DAV)(nil)
	_ remote.Describer      = (*DAV)(nil)
	_ remote.Learner        = (*DAV)(nil)
	_ remote.Explorer       = (*DAV)(nil)
	_ remote.Clock          = (*DAV)(nil)
	_ remote.Opener         = Open
)

// openTimeout bounds the first look when the caller's context has no deadline.
const openTimeout = 20 * time.Second

// timeResolution is that of an HTTP date.
const timeResolution = time.Second

// Open opens a folder of a web server: http(s)://[user@]host[:port]/path. A
// server without WebDAV is a mirror, from which is only read.
func Open(ctx context.Context, address string, o remote.OpenOptions) (remote.Remote, error) {
	d, err := newDAV(address, o)
	if err != nil {
		return nil, err
	}
	look, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	err = d.ready(look, "open")
	for n := 1; n < openTries && isPassing(err) && look.Err() == nil; n++ {
		pause(look, openPause)
		err = d.ready(look, "open")
	}
	if ended := remote.Ended(ctx, "webdav: open", ""); ended != nil && !o.Known {
		return nil, ended
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = &remote.Error{Op: "webdav: open", Kind: remote.ErrUnavailable,
			Err: fmt.Errorf("%s does not answer within %v", d, openTimeout)}
	}
	if err != nil && !(o.Known && errors.Is(err, remote.ErrUnavailable)) {
		return nil, err
	}
	d.opened.Store(true)
	return d, nil
}

// A server that answers 500 or 503 may do so for a moment only.
const (
	openTries = 3
	openPause = 300 * time.Millisecond
)

func isPassing(err error) bool {
	var answer *statusError
	return errors.Is(err, remote.ErrUnavailable) && errors.As(err, &answer) && answer.code >= http.StatusInternalServerError
}

// newDAV does no I/O but to read the files of o.Access.
func newDAV(address string, o remote.OpenOptions) (*DAV, error) {
	at, user, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	credentials, err := findCredentials(user, at.url.Hostname(), o.Access)
	if err != nil {
		return nil, err
	}
	connections, err := transport.New(o.Access)
	if err != nil {
		return nil, fmt.Errorf("webdav: %w", err)
	}
	clean, err := remote.Clean(address)
	if err != nil {
		return nil, err
	}
	c := &client{transport: connections, pairs: transport.NewPairs(connections)}
	d := &DAV{address: clean, o: o, client: c, askedLimit: askedLimit, answerLimit: answerLimit, turn: make(chan struct{}, 1),
		memory: transport.NewBudget(transport.DefaultBudget)}
	d.client.place.Store(at)
	if credentials.user != "" {
		d.client.authority = newAuthority(credentials, connections)
	}
	d.guess()
	return d, nil
}

// guess takes the cache's word until the server answers. Without one every
// folder needs a request, and a touch sends the content again: that works
// everywhere.
func (d *DAV) guess() {
	k, fingerprint, ok := parseLearned(d.o.Learned)
	if ok {
		d.before = d.o.Learned
	} else {
		k = known{touch: touchPut}
	}
	d.server.Store(&fingerprint)
	d.known.Store(&k)
	d.traits.Store(&remote.Traits{
		ReadOnly: d.o.ReadOnly || k.mirror, NoList: k.mirror, ListPerFolder: !k.deep,
		Touch: k.touchWay(), TimeResolution: timeResolution,
	})
}

func (d *DAV) knows() known { return *d.known.Load() }

func (d *DAV) mark() string { return *d.server.Load() }

// ready returns when the server has answered once. What is known changes once
// after that, by explored.
func (d *DAV) ready(ctx context.Context, op string) error {
	if d.looked.Load() {
		return nil
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return remote.Ended(ctx, "webdav: "+op, "")
	}
	if d.looked.Load() {
		return nil
	}
	k, err := d.acquaint(ctx)
	if err != nil {
		return d.fail(ctx, op, "", err)
	}
	d.settle(k)
	return nil
}

// settle replaces the guesses. Traits that a caller may have acted upon stay
// as they are once Open has returned; what is done follows known.
func (d *DAV) settle(k known) {
	was := d.Traits()
	t := was
	t.ReadOnly = d.o.ReadOnly || k.mirror || d.denied.Load() != nil
	if !d.opened.Load() {
		t.NoList, t.ListPerFolder, t.Touch = k.mirror, !k.deep, k.touchWay()
	}
	d.traits.Store(&t)
	d.known.Store(&k)
	d.looked.Store(true)
}

// Offset see remote.Clock.
func (d *DAV) Offset() (time.Duration, bool) { return d.client.clock.Offset() }

// Traits see remote.Traits.
func (d *DAV) Traits() remote.Traits { return *d.traits.Load() }

func (d *DAV) String() string { return d.address }

// Close gives the connections back. Calls that are under way go on.
func (d *DAV) Close() error {
	d.client.transport.CloseIdleConnections()
	d.client.pairs.CloseIdleConnections()
	return nil
}

// acquaint finds out what the server is.
func (d *DAV) acquaint(ctx context.Context) (known, error) {
	answer, err := d.greet(ctx)
	if err != nil {
		return known{}, err
	}
	if answer.code != http.StatusMultiStatus {
		return d.withoutFolder(ctx, answer)
	}
	return d.ask(ctx, answer.header)
}

// ask tries what the server can do, unless the cache knows.
func (d *DAV) ask(ctx context.Context, header http.Header) (known, error) {
	mark := fingerprint(d.client.place.Load(), header)
	defer d.server.Store(&mark)
	if k, same, ok := parseLearned(d.before); ok && same == mark && !k.mirror {
		return k, nil
	}
	d.before = ""
	if !d.o.ReadOnly {
		return d.try(ctx)
	}
	deep, err := d.showsAll(ctx)
	return known{deep: deep, touch: touchPut}, err
}
