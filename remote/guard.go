package remote

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// GuardOptions tunes a Guard. The zero value of a field is its default, in
// brackets.
type GuardOptions struct {
	// OpTimeout bounds stat and probe with all their retries, and the wait for
	// each name of Names (5 s). The head of a Get may take twice as long.
	OpTimeout time.Duration

	// StallTimeout bounds the time without progress of what may last: bodies,
	// put, touch, list, delete (30 s).
	StallTimeout time.Duration

	Retries    int           // further tries after ErrUnavailable, negative for none (2)
	RetryDelay time.Duration // before the first of them; it grows, with jitter (100 ms)

	ProbeInterval time.Duration // before the first probe of an outage, doubling to 30 s (1 s)

	// MaxInFlight bounds the calls that are under way. Those that hang count
	// until they return; as long as there are such, a call beyond the bound is
	// ErrUnavailable at once, else it waits for its turn (256).
	MaxInFlight int

	Now    func() time.Time // for State.Since (time.Now)
	Logger *slog.Logger     // told when the breaker opens and closes (none)
}

// The defaults, and the bounds that are no options.
const (
	defaultOpTimeout     = 5 * time.Second
	defaultStallTimeout  = 30 * time.Second
	defaultRetries       = 2
	defaultRetryDelay    = 100 * time.Millisecond
	defaultProbeInterval = time.Second
	defaultMaxInFlight   = 256

	maxProbeInterval = 30 * time.Second
	// checkTimeout bounds how long a failed call waits to learn whether the
	// remote as a whole answers.
	checkTimeout = 2 * time.Second
	// lookupFailures in a row open the breaker although probes succeed. A
	// server that answers its probe and fails every lookup would otherwise
	// cost a build all retries of each of 5,000 names.
	lookupFailures = 5
)

func (o GuardOptions) withDefaults() GuardOptions {
	setDefault(&o.OpTimeout, defaultOpTimeout)
	setDefault(&o.StallTimeout, defaultStallTimeout)
	setDefault(&o.Retries, defaultRetries)
	setDefault(&o.RetryDelay, defaultRetryDelay)
	setDefault(&o.ProbeInterval, defaultProbeInterval)
	setDefault(&o.MaxInFlight, defaultMaxInFlight)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// A Guard is a Remote that answers in time whatever the one inside does. Each
// backend call runs in a goroutine of its own, because a system call on a dead
// NFS server cannot be interrupted: at the deadline, or when the caller's
// context ends, the caller is released and the goroutine left behind. The
// Guard owns such goroutines and Close waits for them.
//
// ErrUnavailable is retried a few times. What fails nevertheless, or hangs,
// may open the breaker: every call is then answered with ErrUnavailable at
// once, until a probe succeeds.
//
// A change that was left behind may still happen when the server comes back.
// The next change of the same key therefore waits for it.
type Guard struct {
	inner   Remote
	o       GuardOptions
	calls   ledger
	breaker breaker
	unsure  unsure
	errors  atomic.Int64
	timers  sync.Pool // of *time.Timer, stopped
	buffers sync.Pool // of *[bodyBuffer]byte

	// probeContext gives the context of a probe, which ends with the Guard.
	probeContext func() (context.Context, context.CancelFunc)
	stopProbes   context.CancelFunc
}

var (
	_ Remote         = (*Guard)(nil)
	_ FolderLister   = (*Guard)(nil)
	_ NameLister     = (*Guard)(nil)
	_ LeftoverLister = (*Guard)(nil)
	_ Prober         = (*Guard)(nil)
	_ Clock          = (*Guard)(nil)
	_ UploadLister   = (*Guard)(nil)
	_ Describer      = (*Guard)(nil)
	_ Explorer       = (*Guard)(nil)
)

// NewGuard puts a Guard around r. It does no I/O. Whoever makes a Guard closes
// it.
func NewGuard(r Remote, o GuardOptions) *Guard {
	g := &Guard{inner: r, o: o.withDefaults()}
	life, stop := context.WithCancel(context.Background())
	g.stopProbes = stop
	g.probeContext = func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(life, g.o.OpTimeout)
	}
	g.calls.init(g.o.MaxInFlight)
	g.breaker.state.Since = g.o.Now()
	g.breaker.wait = g.o.ProbeInterval
	return g
}

// Unwrap gives the remote inside.
func (g *Guard) Unwrap() Remote { return g.inner }

// Traits are those of the remote inside.
func (g *Guard) Traits() Traits { return g.inner.Traits() }

func (g *Guard) String() string { return g.inner.String() }

// Offset is that of the remote inside, unknown if it does not tell.
func (g *Guard) Offset() (time.Duration, bool) {
	if clock, ok := g.inner.(Clock); ok {
		return clock.Offset()
	}
	return 0, false
}

// Errors counts the operations that failed, after all retries, by the
// remote's fault. Absent objects, those that exist already, what the remote
// does not support, calls that their callers ended and those that an open
// breaker refused are not among them.
func (g *Guard) Errors() int64 { return g.errors.Load() }

// Close refuses new calls, ends the probing and waits until no call is under
// way or ctx ends, which is an error. Bodies of Get that are still open remain
// the caller's to close. Close may be called again to go on waiting, and never
// from a Watch callback.
func (g *Guard) Close(ctx context.Context) error {
	g.stopProbes()
	return g.calls.close(ctx)
}

// timer gives a running timer, to be given back with putTimer.
func (g *Guard) timer(d time.Duration) *time.Timer {
	if t, ok := g.timers.Get().(*time.Timer); ok {
		t.Reset(d)
		return t
	}
	return time.NewTimer(d)
}

func (g *Guard) putTimer(t *time.Timer) {
	t.Stop() // since Go 1.23 nothing stale is left in the channel
	g.timers.Put(t)
}

// buffer gives room for what is read of a body, to be given back with putBuffer
// unless a read was left behind.
func (g *Guard) buffer() []byte {
	if b, ok := g.buffers.Get().(*[bodyBuffer]byte); ok {
		return b[:]
	}
	return make([]byte, bodyBuffer)
}

func (g *Guard) putBuffer(b []byte) { g.buffers.Put((*[bodyBuffer]byte)(b)) }
