package s3

import (
	"context"
	"crypto/sha256"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sstatefs/remote"
)

// putFindings gives the facts that a Put needs. Who opened with Later, and
// makes objects of one request each, pays for no trials of anything else.
func (b *Bucket) putFindings(ctx context.Context, size int64, opt remote.PutOptions) (facts, error) {
	if !b.o.Later || !opt.Create || size > b.singleLimit() || b.facts.Load() != nil {
		return b.findings(ctx, "put")
	}
	return b.find(ctx, "put", b.creating.Load, b.probeCreate, func(f facts) { b.creating.Store(&f) })
}

// probeCreate finds out what makes an object in one request: five in a row, all
// of one scratch object.
func (b *Bucket) probeCreate(ctx context.Context) (facts, error) {
	p := &probe{b: b, stopped: ctx.Err}
	whole, cancel := tidy(ctx)
	defer cancel()
	err := p.tryCreateAndSums(whole, p.scratch())
	if e := p.clean(ctx); err == nil {
		err = e
	}
	return p.f, err
}

// tryCreateAndSums is tryCreate and trySums with the put in common that both
// begin with.
func (p *probe) tryCreateAndSums(ctx context.Context, name string) error {
	right, wrong := sha256.Sum256(scratchContent), sha256.Sum256(nil)
	with := func(sum [sha256.Size]byte) func(*awss3.PutObjectInput) {
		return func(in *awss3.PutObjectInput) { in.ChecksumSHA256 = base64Of(sum) }
	}
	refused, err := refusal(p.put(ctx, name, with(right)))
	if err == nil && refused {
		err = p.put(ctx, name, nil)
	}
	if err == nil {
		err = p.tryCreate(ctx, name)
	}
	if err != nil || refused {
		return err
	}
	verified, err := refusal(p.put(ctx, name, with(wrong)))
	if err != nil || !verified {
		return err
	}
	return p.tryKept(ctx, name, right)
}

// tryKept reads the checksum of a scratch object back.
func (p *probe) tryKept(ctx context.Context, name string, sum [sha256.Size]byte) error {
	out, err := p.b.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &p.b.s.bucket, Key: &name,
		ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		_, err = refusal(err)
		return err
	}
	kept := out.ChecksumSHA256 != nil && *out.ChecksumSHA256 == *base64Of(sum)
	p.found(func(f *facts) { f.sums = kept })
	return nil
}
