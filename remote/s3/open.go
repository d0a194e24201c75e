package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"sstatefs/remote"
	"sstatefs/remote/transport"
)

// openTimeout bounds the first look and the probe when the caller's context
// has no deadline.
const openTimeout = 10 * time.Second

// timeResolution is that of Last-Modified.
const timeResolution = time.Second

// Bucket is a bucket, or what is below a prefix of one.
type Bucket struct {
	s      settings
	o      remote.OpenOptions
	client *awss3.Client
	wire   *http.Transport

	mostPages int // of one listing

	clock  transport.Clock
	locks  transport.KeyLocks
	memory *semaphore.Weighted // bytes of parts that are on their way
	pieces *transport.Budget   // bytes of pieces that were read ahead

	traits    atomic.Pointer[remote.Traits]
	facts     atomic.Pointer[facts] // nil until they are known
	creating  atomic.Pointer[facts] // of them those of putFindings, nil until they are known
	probing   chan struct{}         // one token: only one probe at a time
	absent403 atomic.Bool           // a name that is not there is "access denied"
	lists     atomic.Bool           // the bucket could be listed, now or in an earlier run
	versions  atomic.Pointer[types.BucketVersioningStatus]
	lastSeen  atomic.Int64 // Unix nanoseconds when the bucket last was there
	mu        sync.Mutex   // for changes of traits
}

var (
	_ remote.Remote         = (*Bucket)(nil)
	_ remote.FolderLister   = (*Bucket)(nil)
	_ remote.LeftoverLister = (*Bucket)(nil)
	_ remote.Sweeper        = (*Bucket)(nil)
	_ remote.Prober         = (*Bucket)(nil)
	_ remote.Describer      = (*Bucket)(nil)
	_ remote.Learner        = (*Bucket)(nil)
	_ remote.Clock          = (*Bucket)(nil)
	_ remote.Explorer       = (*Bucket)(nil)
	_ remote.Opener         = Open
)

// Open opens s3://BUCKET/PREFIX. The query may hold endpoint, region, profile,
// path_style, storage_class, anonymous and part_size, see the package
// documentation.
func Open(ctx context.Context, address string, o remote.OpenOptions) (remote.Remote, error) {
	s, err := parse(address)
	if err != nil {
		return nil, err
	}
	b := &Bucket{s: s, o: o, mostPages: mostPages, probing: make(chan struct{}, 1),
		memory: semaphore.NewWeighted(memoryLimit(s)), pieces: transport.NewBudget(transport.DefaultBudget)}
	b.client, b.wire, err = newClient(ctx, s, o, &b.clock)
	if err != nil {
		return nil, fmt.Errorf("remote %q: %w", s.text, err)
	}
	b.expect()
	err = b.meet(ctx)
	for n := 1; n < openTries && isPassing(err) && pause(ctx, openPause) == nil; n++ {
		err = b.meet(ctx)
	}
	if err != nil && !(o.Known && isUnavailable(err)) {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}

// A server that answers 500 or 503 may do so for a moment only.
const (
	openTries = 3
	openPause = 300 * time.Millisecond
)

func isPassing(err error) bool {
	var f *failure
	return isUnavailable(err) && errors.As(err, &f) && f.status >= http.StatusInternalServerError
}

// expect sets the traits that hold until more is known.
func (b *Bucket) expect() {
	b.traits.Store(&remote.Traits{ReadOnly: b.o.ReadOnly, AtomicCreate: true, TimeResolution: timeResolution})
	if known, ok := parseFacts(b.o.Learned); ok {
		b.adopt(known)
		b.lists.Store(known.lists)
	}
}

// meet looks at the bucket and finds out what it can do, unless that is known.
func (b *Bucket) meet(ctx context.Context) error {
	limited, cancel := context.WithTimeoutCause(ctx, openTimeout, errors.New("no answer from "+b.place()))
	defer cancel()
	err := b.firstLook(limited)
	if err == nil && !b.o.ReadOnly && !b.o.Later {
		_, err = b.findings(limited, "open")
	}
	if err == nil && b.absent403.Load() && b.Traits().ReadOnly && !b.o.ReadOnly && !b.o.Known {
		return kindly("open", "", remote.ErrPermission, "access to %s denied: it can neither be listed nor written"+
			" (a bucket whose objects can only be read by name is opened with --read-only)", b)
	}
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return kindly("open", "", remote.ErrUnavailable, "no answer from %s", b.place())
	}
	return err
}

// firstLook finds out whether the bucket is there and can be listed.
func (b *Bucket) firstLook(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error {
		b.askVersions(ctx)
		return nil
	})
	defer func() { _ = group.Wait() }()
	_, err := b.page(ctx, span{prefix: b.s.root, limit: 1})
	if err != nil && failureOf(err).code == "NoSuchBucket" && b.o.Create && !b.o.ReadOnly {
		err = b.create(ctx)
	}
	switch {
	case err == nil:
		b.lists.Store(true)
		return nil
	case isDenied(err) && b.o.Known && b.lists.Load():
		return b.askDenied(ctx)
	case isDenied(err) || errors.Is(b.fail(ctx, "open", "", err), remote.ErrUnsupported):
		b.change(func(t *remote.Traits) { t.NoList = true })
		return b.askAbsent(ctx)
	}
	return b.fail(ctx, "open", "", err)
}

// create makes the bucket.
func (b *Bucket) create(ctx context.Context) error {
	in := &awss3.CreateBucketInput{Bucket: &b.s.bucket}
	if region := b.client.Options().Region; region != fallbackRegion {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(region)}
	}
	_, err := b.client.CreateBucket(ctx, in)
	var mine *types.BucketAlreadyOwnedByYou
	if errors.As(err, &mine) {
		return nil
	}
	return err
}

// askDenied is for a bucket that a cache knows as one that can be listed, and
// that denies it. Where nothing else is allowed either, the credentials are
// refused for now: taken for a bucket without listing it would stay one until the
// next mount. It is away until they are accepted, or the cache is a new one.
func (b *Bucket) askDenied(ctx context.Context) error {
	_, err := b.head(ctx, b.s.root+remote.NewTemporary())
	if isDenied(err) {
		return kindly("open", "", remote.ErrUnavailable, "access to %s denied", b)
	}
	b.lists.Store(false)
	b.change(func(t *remote.Traits) { t.NoList = true })
	if err == nil || isMissing(err) {
		return nil
	}
	return b.fail(ctx, "open", "", err)
}

// askAbsent finds out how a name looks that is not there. Who may not list a
// bucket on AWS is told 403 instead of 404.
func (b *Bucket) askAbsent(ctx context.Context) error {
	_, err := b.head(ctx, b.s.root+remote.NewTemporary())
	switch {
	case err == nil || isMissing(err):
		return nil
	case isDenied(err):
		b.absent403.Store(true)
		return nil
	}
	return b.fail(ctx, "open", "", err)
}

// askVersions finds out whether every change keeps what was there before.
func (b *Bucket) askVersions(ctx context.Context) {
	out, err := b.client.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: &b.s.bucket})
	if err == nil {
		b.versions.Store(&out.Status)
	}
}

// Traits see remote.Traits.
func (b *Bucket) Traits() remote.Traits { return *b.traits.Load() }

func (b *Bucket) String() string { return b.s.text }

// Close closes the connections that nobody uses. Calls under way go on.
func (b *Bucket) Close() error {
	b.wire.CloseIdleConnections()
	return nil
}

// change sets some of the traits.
func (b *Bucket) change(set func(*remote.Traits)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := *b.traits.Load()
	set(&t)
	b.traits.Store(&t)
}

// place is the server, for people.
func (b *Bucket) place() string {
	if endpoint := b.client.Options().BaseEndpoint; endpoint != nil {
		return *endpoint
	}
	return "AWS region " + b.client.Options().Region
}

// name is an object's key in the bucket.
func (b *Bucket) name(key remote.Key) string { return b.s.root + string(key) }

// Probe see remote.Prober. Without the right to list, the bucket's head says
// as much: 403 is an answer.
func (b *Bucket) Probe(ctx context.Context) error {
	if !b.Traits().NoList {
		_, err := b.page(ctx, span{prefix: b.s.root, limit: 1})
		return b.fail(ctx, "probe", "", err)
	}
	_, err := b.client.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: aws.String(b.s.bucket)})
	if err != nil && !isForbidden(err) {
		return b.fail(ctx, "probe", "", b.noBucket(err))
	}
	return nil
}
