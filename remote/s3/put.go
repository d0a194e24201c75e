package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sstatefs/remote"
)

// conflictTries bounds how often a write is repeated that met another one,
// deniedTries how often one that was denied, and conflictPause is the first
// pause before that.
const (
	conflictTries = 5
	deniedTries   = 2
	conflictPause = 50 * time.Millisecond
)

// persist runs write again while others are in its way: AWS says 409 to a
// conditional write while another of the same key is under way, versitygw (409)
// and MinIO (403) to a write while the last object of its folder is removed.
func persist(ctx context.Context, write func() error) error {
	err := write()
	for try := 0; err != nil; try++ {
		if !(isConflict(err) && try < conflictTries || isDenied(err) && try < deniedTries) {
			break
		}
		wait := time.Duration(float64(conflictPause<<try) * (0.5 + rand.Float64()/2))
		if e := pause(ctx, wait); e != nil {
			return e
		}
		err = write()
	}
	return err
}

// anything is what If-None-Match must not find.
var anything = "*"

// A condition is what must hold for a write to happen, by the server's word.
// The zero condition is none.
type condition struct {
	absent bool   // no object is there
	tag    string // the object that is there has this ETag
}

func (c condition) headers() (ifNoneMatch, ifMatch *string) {
	if c.absent {
		return &anything, nil
	}
	if c.tag != "" {
		return nil, &c.tag
	}
	return nil, nil
}

// Put see remote.Remote. A source is read twice, first for its hash, which is
// in the signature: a server takes nothing that differs from it.
func (b *Bucket) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	if err := begin(ctx, "put", key); err != nil {
		return err
	}
	if key.IsTemporary() {
		return unsupported("put", key, "the name is reserved for temporaries")
	}
	if err := b.changeable("put", key); err != nil {
		return err
	}
	f, err := b.putFindings(ctx, src.Size(), opt)
	if err == nil {
		err = b.changeable("put", key)
	}
	if err != nil {
		return err
	}
	p := &putting{b: b, f: f, key: key, name: b.name(key), opt: opt}
	if src.Size() > b.singleLimit() {
		err = p.large(ctx, src)
	} else {
		err = p.small(ctx, src)
	}
	if opt.Refresh && errors.Is(err, remote.ErrExist) {
		err = kindly("put", key, remote.ErrNotExist, "replaced meanwhile")
	}
	return err
}

// A putting is one Put.
type putting struct {
	b    *Bucket
	f    facts
	key  remote.Key
	name string
	opt  remote.PutOptions
}

func (p *putting) fail(ctx context.Context, err error) error { return p.b.fail(ctx, "put", p.key, err) }

// small puts with one request.
func (p *putting) small(ctx context.Context, src remote.Source) error {
	c, err := readSource(ctx, src)
	if err != nil {
		return p.fail(ctx, err)
	}
	return p.commit(ctx, p.f.create, c.size, func(cond condition, class types.StorageClass) error {
		return p.send(ctx, c, cond, class)
	})
}

// commit runs write, which makes the object, under the condition that the
// options ask for. Where the server has no such condition, a look precedes the
// write, and the key is locked in this process. atomic tells whether write
// heeds condition.absent.
func (p *putting) commit(ctx context.Context, atomic bool, size int64, write func(condition, types.StorageClass) error) error {
	lock := p.b.locks.Share
	if p.opt.Create && !atomic || p.opt.Refresh {
		lock = p.b.locks.Alone
	}
	unlock, err := lock(ctx, p.key)
	if err != nil {
		return p.fail(ctx, err)
	}
	defer unlock()
	cond, class, err := p.look(ctx, atomic, size)
	if err != nil {
		return err
	}
	err = persist(ctx, func() error { return write(cond, class) })
	switch {
	case err == nil:
		return nil
	case p.opt.Refresh && isMissing(err):
		return p.b.absent("put", p.key)
	case cond.absent && isBroken(err) && p.isThere(ctx):
		return &remote.Error{Op: "s3: put", Key: p.key, Kind: remote.ErrExist}
	}
	return p.fail(ctx, err)
}

// isThere looks for the object after a create whose connection broke: a server
// that refuses before it has read the content may close so that its answer is
// lost, try after try (versitygw does, under load). What is there may also be of
// this very create; who is told that it exists compares.
func (p *putting) isThere(ctx context.Context) bool {
	_, err := p.b.lookup(ctx, "put", p.key)
	return err == nil
}

// isBroken tells that the server ended the connection while it was written to.
func isBroken(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// look gives the condition of the write, and the storage class of what it
// replaces where that is to stay.
func (p *putting) look(ctx context.Context, atomic bool, size int64) (condition, types.StorageClass, error) {
	class := types.StorageClass(p.b.s.storageClass)
	switch {
	case p.opt.Create && atomic:
		return condition{absent: true}, class, nil
	case !p.opt.Create && !p.opt.Refresh:
		return condition{}, class, nil
	}
	a, err := p.b.lookup(ctx, "put", p.key)
	switch {
	case p.opt.Create && errors.Is(err, remote.ErrNotExist):
		return condition{}, class, nil
	case err != nil:
		return condition{}, "", err
	case p.opt.Create:
		return condition{}, "", &remote.Error{Op: "s3: put", Key: p.key, Kind: remote.ErrExist}
	case a.size != size:
		return condition{}, "", kindly("put", p.key, remote.ErrNotExist, "another object is there, of %d bytes", a.size)
	case !p.f.replace:
		return condition{}, a.all.StorageClass, nil
	}
	return condition{tag: a.tag}, a.all.StorageClass, nil
}

// send sends the content.
func (p *putting) send(ctx context.Context, c *content, cond condition, class types.StorageClass) error {
	in := &awss3.PutObjectInput{Bucket: &p.b.s.bucket, Key: &p.name, ContentLength: aws.Int64(c.size), StorageClass: class}
	in.IfNoneMatch, in.IfMatch = cond.headers()
	if p.f.sums {
		in.ChecksumSHA256 = base64Of(c.sum)
	}
	body, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	in.Body = body
	_, err = p.b.client.PutObject(ctx, in, withHash(c.sum), noRetry, askLate)
	if own := body.Err(); own != nil {
		return own // the SDK's error need not hold it
	}
	return err
}

// askLimit is the size from which a server is asked whether it wants an object
// before that is sent (Expect: 100-continue), in bytes. It costs a round trip, and
// a second where the server does not know the question; it spares the transfer of
// what is refused, which is rare: who publishes has missed the object before. The
// SDK's own limit is 2 MiB.
const askLimit = 16 << 20

func askLate(o *awss3.Options) { o.ContinueHeaderThresholdBytes = askLimit }

// inMemory is the size up to which a content is kept between its two readings,
// in bytes.
const inMemory = 1 << 20

// A content is a source whose hash is known.
type content struct {
	src  remote.Source
	size int64
	sum  [sha256.Size]byte
	all  []byte // of a short one
}

// readSource reads a source for its hash and checks its length.
func readSource(ctx context.Context, src remote.Source) (*content, error) {
	in, err := openSource(src)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	c := &content{src: src, size: src.Size()}
	var to copies
	hash := sha256.New()
	own, _ := in.(remote.Hasher)
	if own == nil || !own.Hashes() {
		own, to = nil, append(to, hash)
	}
	var kept bytes.Buffer
	if c.size <= inMemory {
		kept.Grow(int(c.size))
		to = append(to, &kept)
	}
	if err := remote.Copy(ctx, to, in, c.size); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // the last bytes may have come with it
	}
	if c.size <= inMemory {
		c.all = kept.Bytes()
	}
	return c, c.setSum(own, hash)
}

// setSum takes the hash from the source where that computed it.
func (c *content) setSum(own remote.Hasher, hash hash.Hash) error {
	if own == nil {
		hash.Sum(c.sum[:0])
		return nil
	}
	var ok bool
	if c.sum, ok = own.Sum256(); !ok {
		return errors.Join(remote.ErrCorrupt, errors.New("a source has no hash at its end"))
	}
	return nil
}

// copies gives what is written to all of them, which never fail.
type copies []io.Writer

func (c copies) Write(p []byte) (int, error) {
	for _, w := range c {
		_, _ = w.Write(p)
	}
	return len(p), nil
}

func openSource(src remote.Source) (io.ReadCloser, error) {
	in, err := src.Open()
	if err != nil {
		return nil, errors.Join(remote.ErrCorrupt, err)
	}
	return in, nil
}
