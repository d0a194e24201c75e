package s3

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

// nvme is the polynomial of CRC-64/NVME, reversed: AWS's own choice when an
// uploader makes none.
const nvme = 0x9a6c9329ac4bc9b5

// base64Of is how S3 writes a checksum.
func base64Of(sum [sha256.Size]byte) *string {
	text := base64.StdEncoding.EncodeToString(sum[:])
	return &text
}

// checksumOf is the checksum that a server keeps of a whole object, and what
// computes it. Checksums of the parts of an upload are of no use here. It is
// nil without one.
func checksumOf(out *awss3.GetObjectOutput) (hash.Hash, []byte) {
	if out.ChecksumType == types.ChecksumTypeComposite {
		return nil, nil
	}
	for _, c := range []struct {
		text *string
		new  func() hash.Hash
	}{
		{out.ChecksumSHA256, sha256.New},
		{out.ChecksumCRC64NVME, func() hash.Hash { return crc64.New(crc64.MakeTable(nvme)) }},
		{out.ChecksumCRC32C, func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
		{out.ChecksumCRC32, func() hash.Hash { return crc32.NewIEEE() }},
		{out.ChecksumSHA1, sha1.New},
	} {
		if c.text == nil {
			continue
		}
		// Older servers say nothing of the type; a checksum of parts ends
		// with their number, which is no base64.
		sum := c.new()
		if want, err := base64.StdEncoding.DecodeString(*c.text); err == nil && len(want) == sum.Size() {
			return sum, want
		}
	}
	return nil, nil
}

// tagOf is the MD5 that an ETag is, where no checksum is kept. Neither that of
// an upload in parts is one nor that of what KMS or the uploader's own key
// encrypts.
func tagOf(out *awss3.GetObjectOutput) (hash.Hash, []byte) {
	own := out.ServerSideEncryption == "" || out.ServerSideEncryption == types.ServerSideEncryptionAes256
	tag, err := hex.DecodeString(strings.Trim(aws.ToString(out.ETag), `"`))
	if err != nil || len(tag) != md5.Size || !own || out.SSECustomerAlgorithm != nil {
		return nil, nil
	}
	return md5.New(), tag
}

// withHash signs the content with a hash that is known already. Without it the
// SDK would hash once more, and over TLS sign no content at all: a server may
// keep the stump of a put that broke off unless the signature covers all of it.
func withHash(sum [sha256.Size]byte) func(*awss3.Options) {
	text := hex.EncodeToString(sum[:])
	add := middleware.InitializeMiddlewareFunc("sstatefs:hash",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			return next.HandleInitialize(v4.SetPayloadHash(ctx, text), in)
		})
	return func(o *awss3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(add, middleware.Before)
		})
	}
}
