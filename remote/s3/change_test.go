package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// decorate puts an object as another tool might, with all that a touch has to
// keep.
func decorate(t *testing.T, b *Bucket, content []byte) {
	t.Helper()
	_, err := b.client.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: &b.s.bucket, Key: aws.String(b.name(key)), Body: bytes.NewReader(content),
		ContentType: aws.String("application/zstd"), CacheControl: aws.String("max-age=60"),
		Metadata: map[string]string{"builder": "one"}, Tagging: aws.String("team=a%20b&x=%2B"),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantDecorated checks that it still is so.
func wantDecorated(t *testing.T, b *Bucket, tags bool) {
	t.Helper()
	a, err := b.head(t.Context(), b.name(key))
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(a.all.ContentType) != "application/zstd" || aws.ToString(a.all.CacheControl) != "max-age=60" ||
		!maps.Equal(a.all.Metadata, map[string]string{"builder": "one"}) {
		t.Errorf("type %q, cache %q, metadata %v were not kept",
			aws.ToString(a.all.ContentType), aws.ToString(a.all.CacheControl), a.all.Metadata)
	}
	if !tags {
		return
	}
	out, err := b.client.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: &b.s.bucket, Key: &a.name})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, tag := range out.TagSet {
		got[*tag.Key] = *tag.Value
	}
	if !maps.Equal(got, map[string]string{"team": "a b", "x": "+"}) {
		t.Errorf("tags = %v were not kept", got)
	}
}

// TestTouchKeeps: a touch changes nothing but the time, by either way.
func TestTouchKeeps(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		if srv.Kind == servers.RcloneS3 {
			return // it keeps none of these in the first place
		}
		b := mustOpen(t, srv.Address, remote.OpenOptions{})
		for _, way := range []copyWay{copySelf, copyThere} {
			f := *b.facts.Load()
			f.copies = way
			b.adopt(f)
			decorate(t, b, []byte("content"))
			if err := b.Touch(t.Context(), key, time.Time{}); err != nil {
				t.Errorf("Touch by way of %s = %v", way, err)
			}
			wantDecorated(t, b, true)
		}
	})
}

// TestCopyLarge: so does the way of objects that are too large for one copy.
func TestCopyLarge(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		if srv.Kind == servers.RcloneS3 {
			return // no UploadPartCopy
		}
		b := mustOpen(t, srv.Address, remote.OpenOptions{})
		content := remotetest.Pattern(100_000, 1)
		decorate(t, b, content)
		a, err := b.head(t.Context(), b.name(key))
		if err != nil {
			t.Fatal(err)
		}
		a.all.TagCount = aws.Int32(2) // versitygw does not say
		if err := b.copyLarge(t.Context(), copying{from: a.name, to: a.name, like: a}); err != nil {
			t.Fatalf("copyLarge = %v", err)
		}
		wantDecorated(t, b, true)
		wantContent(t, b, content)
	})
}

func wantContent(t *testing.T, b *Bucket, want []byte) {
	t.Helper()
	body, _, err := b.Get(t.Context(), key, 0)
	if err != nil {
		t.Errorf("Get = %v", err)
		return
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
		t.Errorf("Get = %d bytes, %v, want %d", len(got), err, len(want))
	}
}

// TestTouchRace: an object that was replaced or removed behind the back of a
// touch stays so.
func TestTouchRace(t *testing.T) {
	srv := servers.Start(t, servers.Versitygw)
	b, other := mustOpen(t, srv.Address, remote.OpenOptions{}), mustOpen(t, srv.Address, remote.OpenOptions{})
	for name, change := range map[string]func() error{
		"replaced": func() error {
			return other.Put(t.Context(), key, remotetest.Bytes("new content"), remote.PutOptions{})
		},
		"removed": func() error { return other.Delete(t.Context(), key) },
	} {
		if err := b.Put(t.Context(), key, remotetest.Bytes("content"), remote.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		a, err := b.lookup(t.Context(), "touch", key)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		err = b.copyThereAndBack(t.Context(), key, a, facts{})
		if name == "replaced" {
			wantContent(t, b, []byte("new content"))
			continue
		}
		if _, statErr := b.Stat(t.Context(), key); !errors.Is(statErr, remote.ErrNotExist) {
			t.Errorf("a touch (%v) brought a removed object back: %v", err, statErr)
		}
	}
	if err := b.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	wantEmpty(t, b)
}

// TestRefresh: a touch that sends the content again makes nothing.
func TestRefresh(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		b := mustOpen(t, srv.Address, remote.OpenOptions{})
		refresh := func(content string) error {
			return b.Put(t.Context(), key, remotetest.Bytes(content), remote.PutOptions{Refresh: true})
		}
		if err := refresh("content"); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("refresh of a missing object = %v, want %v", err, remote.ErrNotExist)
		}
		if err := b.Put(t.Context(), key, remotetest.Bytes("content"), remote.PutOptions{Create: true}); err != nil {
			t.Fatal(err)
		}
		if err := refresh("content"); err != nil {
			t.Errorf("refresh = %v", err)
		}
		if err := refresh("other"); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("refresh of another size = %v, want %v", err, remote.ErrNotExist)
		}
		wantContent(t, b, []byte("content"))
	})
}

// TestUploads: what a killed writer leaves of an upload is found and removed,
// what a failed one leaves it removes itself.
func TestUploads(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		if srv.Kind == servers.RcloneS3 {
			return // gofakes3 keeps uploads in memory and lists none
		}
		b := mustOpen(t, srv.Address+"&part_size=5M", remote.OpenOptions{})
		begun, err := b.beginUpload(t.Context(), b.name(key), nil)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		err = b.Uploads(t.Context(), func(k remote.Key, id string, started time.Time) error {
			found = append(found, fmt.Sprint(k, id))
			if time.Since(started).Abs() > time.Hour {
				t.Errorf("upload began %v", started)
			}
			return b.AbortUpload(t.Context(), k, id)
		})
		if err != nil || len(found) != 1 || found[0] != fmt.Sprint(key, *begun.id) {
			t.Errorf("Uploads = %q, %v, want %s", found, err, *begun.id)
		}
		if err := b.AbortUpload(t.Context(), key, *begun.id); err != nil {
			t.Errorf("AbortUpload once more = %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = b.Put(ctx, key, cancelling{remotetest.Bytes(remotetest.Pattern(12<<20, 1)), cancel}, remote.PutOptions{})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v, want %v", err, context.Canceled)
		}
		wantEmpty(t, b)
	})
}

// cancelling is a source that ends its caller's context in its midst.
type cancelling struct {
	remotetest.Bytes
	cancel context.CancelFunc
}

func (c cancelling) Open() (io.ReadCloser, error) {
	half := len(c.Bytes) - 1<<20
	return io.NopCloser(io.MultiReader(bytes.NewReader(c.Bytes[:half]), ending(c.cancel), bytes.NewReader(c.Bytes[half:]))), nil
}

type ending context.CancelFunc

func (e ending) Read([]byte) (int, error) {
	e()
	return 0, io.EOF
}

// TestLarge: an object that comes in pieces and goes in parts, and is replaced
// while it is read.
func TestLarge(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		b := mustOpen(t, srv.Address, remote.OpenOptions{})
		content := remotetest.Pattern(defaultSingle+1, 1)
		if err := b.Put(t.Context(), key, remotetest.Bytes(content), remote.PutOptions{Create: true}); err != nil {
			t.Fatal(err)
		}
		wantContent(t, b, content)
		err := b.Put(t.Context(), key, remotetest.Bytes(content), remote.PutOptions{Create: true})
		if !errors.Is(err, remote.ErrExist) {
			t.Errorf("second Put = %v, want %v", err, remote.ErrExist)
		}
		const from = 20_000_001
		body, _, err := b.Get(t.Context(), key, from)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		content[len(content)-1]++
		if err := b.Put(t.Context(), key, remotetest.Bytes(content), remote.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); !errors.Is(err, remote.ErrCorrupt) {
			t.Errorf("reading what is replaced = %v, want %v", err, remote.ErrCorrupt)
		}
	})
}

// TestStorageClass: new objects get the one of the address, and a touch keeps
// it. MinIO knows two.
func TestStorageClass(t *testing.T) {
	srv := servers.Start(t, servers.MinIO)
	b := mustOpen(t, srv.Address+"&storage_class=REDUCED_REDUNDANCY", remote.OpenOptions{})
	if err := b.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a, err := b.head(t.Context(), b.name(key))
		if err != nil || a.all.StorageClass != types.StorageClassReducedRedundancy {
			t.Errorf("storage class is %q, %v", a.all.StorageClass, err)
		}
		if err := b.Touch(t.Context(), key, time.Time{}); err != nil {
			t.Error(err)
		}
	}
}

// TestWrongSecret: in words, and without the secret.
func TestWrongSecret(t *testing.T) {
	srv := servers.Start(t, servers.MinIO)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
	_, err := Open(t.Context(), srv.Address, remote.OpenOptions{})
	if !errors.Is(err, remote.ErrPermission) || !strings.Contains(err.Error(), "secret key does not fit") ||
		strings.Contains(err.Error(), "not-the-secret") {
		t.Errorf("Open = %v, want %v and why", err, remote.ErrPermission)
	}
}

// TestVersioning: of a bucket that keeps versions people are warned.
func TestVersioning(t *testing.T) {
	srv := servers.Start(t, servers.MinIO)
	b := mustOpen(t, srv.Address, remote.OpenOptions{ReadOnly: true})
	_, err := b.client.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{Bucket: &b.s.bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	if err != nil {
		t.Fatal(err)
	}
	b = mustOpen(t, srv.Address, remote.OpenOptions{ReadOnly: true})
	if a := b.versioning(); a.Value != "on" || a.Warn == "" {
		t.Errorf("%+v, want a warning", a)
	}
}
