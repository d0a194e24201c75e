package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sstatefs/remote"
)

// cleanTimeout bounds what tidies up after a call, also when the call's own
// context has ended.
const cleanTimeout = 5 * time.Second

// tidy gives the context in which leftovers are removed.
func tidy(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
}

// wrongTag is the ETag of no object.
const wrongTag = `"00000000000000000000000000000000"`

// A probe finds out what a server does, on names of temporaries. Its steps do
// not need each other and run at the same time, each on names of its own: some
// servers mix up requests of one name.
type probe struct {
	b       *Bucket
	stopped func() error // says that the caller has gone
	mu      sync.Mutex
	f       facts
	names   []string // scratch that was made, or may have been
	errs    []error
}

// A step tries one thing on a scratch object of the name.
type step func(p *probe, ctx context.Context, name string) error

// probe finds out all but the way of touches. It takes about six round trips.
func (b *Bucket) probe(ctx context.Context) (facts, error) {
	return b.try(ctx, facts{copies: copyNone},
		(*probe).tryCreate, (*probe).tryReplace, (*probe).trySums, (*probe).tryComplete, (*probe).tryCopyIf)
}

// try takes steps and gives what is known after them. A request that has begun
// is not broken off: its object could appear after the scratch was removed.
func (b *Bucket) try(ctx context.Context, f facts, steps ...step) (facts, error) {
	p := &probe{b: b, stopped: ctx.Err, f: f}
	whole, cancel := tidy(ctx)
	defer cancel()
	p.run(whole, steps)
	if err := p.clean(ctx); err != nil {
		p.errs = append(p.errs, err)
	}
	for _, err := range p.errs {
		if isDenied(err) { // says more than what follows from it
			return facts{}, err
		}
	}
	return p.f, errors.Join(p.errs...)
}

// run takes the steps. A 412 means something only where a put without a
// condition succeeds, so each begins with one.
func (p *probe) run(ctx context.Context, steps []step) {
	var running sync.WaitGroup
	for _, step := range steps {
		running.Go(func() {
			name := p.scratch()
			err := p.put(ctx, name, nil)
			if err == nil {
				err = step(p, ctx, name)
			}
			if err != nil {
				p.found(func(*facts) { p.errs = append(p.errs, err) })
			}
		})
	}
	running.Wait()
}

// scratch gives a fresh name.
func (p *probe) scratch() string {
	name := p.b.s.root + remote.NewTemporary()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names = append(p.names, name)
	return name
}

// found notes facts.
func (p *probe) found(set func(*facts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set(&p.f)
}

// scratchContent is what scratch objects hold.
var scratchContent = []byte("sstatefs finds out what this server can do; this may be removed\n")

func (p *probe) put(ctx context.Context, name string, change func(*awss3.PutObjectInput)) error {
	if err := p.stopped(); err != nil {
		return err
	}
	sum := sha256.Sum256(scratchContent)
	in := &awss3.PutObjectInput{Bucket: &p.b.s.bucket, Key: &name, Body: bytes.NewReader(scratchContent)}
	if change != nil {
		change(in)
	}
	return persist(ctx, func() error {
		out, err := p.b.client.PutObject(ctx, in, withHash(sum))
		if err == nil && aws.ToString(out.ETag) == fmt.Sprintf(`"%x"`, md5.Sum(scratchContent)) {
			p.found(func(f *facts) { f.md5 = true })
		}
		return err
	})
}

// refusal turns the answer to a request that ought to be refused into whether
// it was. Other failures than a refusal are errors.
func refusal(err error) (bool, error) {
	switch {
	case err == nil:
		return false, nil
	case isRefused(err) || kindOf(failureOf(err)) == remote.ErrUnsupported:
		return true, nil
	}
	return false, err
}

// unmet is refusal by the condition of the request. A server that does not
// know the condition at all does not have it.
func unmet(err error) (bool, error) {
	if err != nil && isUnmet(err) {
		return true, nil
	}
	_, err = refusal(err)
	return false, err
}

func (p *probe) tryCreate(ctx context.Context, name string) error {
	yes, err := unmet(p.put(ctx, name, func(in *awss3.PutObjectInput) { in.IfNoneMatch = &anything }))
	p.found(func(f *facts) { f.create = yes })
	return err
}

func (p *probe) tryReplace(ctx context.Context, name string) error {
	tag := wrongTag
	yes, err := unmet(p.put(ctx, name, func(in *awss3.PutObjectInput) { in.IfMatch = &tag }))
	p.found(func(f *facts) { f.replace = yes })
	return err
}

// trySums sends a wrong checksum, and reads a right one back.
func (p *probe) trySums(ctx context.Context, name string) error {
	right, wrong := sha256.Sum256(scratchContent), sha256.Sum256(nil)
	verified, err := refusal(p.put(ctx, name, func(in *awss3.PutObjectInput) { in.ChecksumSHA256 = base64Of(wrong) }))
	if err != nil || !verified {
		return err
	}
	_, err = refusal(p.put(ctx, name, func(in *awss3.PutObjectInput) { in.ChecksumSHA256 = base64Of(right) }))
	if err != nil {
		return err
	}
	return p.tryKept(ctx, name, right)
}

// tryComplete completes an upload onto what is there.
func (p *probe) tryComplete(ctx context.Context, name string) error {
	up, err := p.b.beginUpload(ctx, name, nil)
	if err != nil {
		_, err = refusal(err)
		return err
	}
	defer up.abort(ctx)
	if err := up.send(ctx, 1, scratchContent); err != nil {
		_, err = refusal(err)
		return err
	}
	yes, err := unmet(up.complete(ctx, condition{absent: true}))
	p.found(func(f *facts) { f.complete = yes })
	return err
}

// clean removes the scratch. Whether that is allowed is a finding too.
func (p *probe) clean(ctx context.Context) error {
	ctx, cancel := tidy(ctx)
	defer cancel()
	denied := false
	for _, err := range p.b.deleteNames(ctx, p.names) {
		if !isDenied(err) {
			return err
		}
		denied = true
	}
	p.f.removes = !denied
	if denied && p.f.copies == copyThere {
		p.f.copies = copyNone // every touch would leave its temporary
	}
	return nil
}
