package s3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// TestMain gives this process and its children the credentials of the test
// servers, and nothing of the machine's own.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "sstatekey", "AWS_SECRET_ACCESS_KEY": "sstatesecret", "AWS_REGION": "us-east-1",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	remotetest.Child(Open)
	os.Exit(m.Run())
}

func mustOpen(t *testing.T, address string, o remote.OpenOptions) *Bucket {
	t.Helper()
	r, err := Open(t.Context(), address, o)
	if err != nil {
		t.Fatalf("Open(%q) = %v", address, err)
	}
	b := r.(*Bucket)
	t.Cleanup(func() { b.Close() })
	return b
}

// eachServer runs a test on every object store, beside all others of the kind:
// most of it is waiting.
func eachServer(t *testing.T, test func(t *testing.T, srv *servers.Server)) {
	t.Helper()
	t.Parallel()
	for _, kind := range servers.S3() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, servers.Start(t, kind))
		})
	}
}

// A bucketMaker makes buckets on one server.
type bucketMaker struct {
	srv   *servers.Server
	query string // added to addresses
	made  atomic.Int64

	once    sync.Once
	learned string
}

// harness makes a bucket of its own, and a prefix in it. What the first one
// finds out about the server spares the others the probe.
func (m *bucketMaker) harness(t *testing.T) remotetest.Harness {
	m.once.Do(func() {
		b := mustOpen(t, m.srv.Address, remote.OpenOptions{})
		err := b.Explore(t.Context())
		m.learned = b.Learned()
		if f, ok := parseFacts(m.learned); err != nil || !ok || f.copies == copyLater {
			t.Errorf("Explore = %v and leaves %q", err, m.learned)
		}
	})
	bucket := fmt.Sprintf("suite-%d", m.made.Add(1))
	address := fmt.Sprintf("s3://%s/some+where/below?endpoint=%s%s", bucket, m.srv.URL, m.query)
	h := remotetest.Harness{Remote: mustOpen(t, address, remote.OpenOptions{Create: true, Learned: m.learned}), Address: address}
	switch m.srv.Kind {
	case servers.RcloneS3:
		h.Broken = map[string]string{
			"DeleteAndPut": "rclone 1.75 loses sight of a new object while its folder is removed because it was empty",
			"Replace":      "rclone 1.75 sends the size of the old with the bytes of the new object",
		}
	case servers.Versitygw:
		// backend.MkdirAll gives EEXIST when the folder it met is gone
		// again, and PutObject takes any EEXIST for success.
		h.Broken = map[string]string{
			"DeleteAndPut": "versitygw 1.8 now and then forgets a put, answered 200, that meets the removal of its folder",
		}
	}
	if m.srv.Kind == servers.Versitygw { // the others make the folder again
		h.HideRoot = hider(filepath.Join(filepath.Dir(m.srv.Data), bucket))
	}
	return h
}

// hider takes a bucket of plain files away, as a file system behind a gateway
// that is not mounted.
func hider(dir string) func(t *testing.T) func() {
	return func(t *testing.T) func() {
		away := dir + ".away"
		if err := os.Rename(dir, away); err != nil {
			t.Fatal(err)
		}
		return func() {
			if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was made in the place of the bucket: %v", err)
			}
			if err := os.Rename(away, dir); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// suite runs the Suite on the server. rclone 1.75 answers 500 to a few puts, 2 of
// 10,752 were counted, that make one folder at the same time; a mount tries
// again, and so do the tests.
func (m *bucketMaker) suite(t *testing.T) {
	t.Helper()
	open := m.harness
	if m.srv.Kind == servers.RcloneS3 {
		open = remotetest.Guarded(open)
	}
	remotetest.Suite(t, open)
}

func TestSuite(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		(&bucketMaker{srv: srv}).suite(t)
	})
}

// TestSuiteGuarded: a guard takes no promise away.
func TestSuiteGuarded(t *testing.T) {
	t.Parallel()
	remotetest.Suite(t, remotetest.Guarded((&bucketMaker{srv: servers.Start(t, servers.Versitygw)}).harness))
}

// TestSuiteParts: nor does an upload in parts, which all larger objects are
// here.
func TestSuiteParts(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		(&bucketMaker{srv: srv, query: "&part_size=5M"}).suite(t)
	})
}

// TestProbe: what the servers are known to do is found out, the way of touches
// by the first of them, and nothing of the search is left.
func TestProbe(t *testing.T) {
	want := map[servers.Kind]string{
		servers.Versitygw: "s3/2 copy=there put-if-absent complete-if-absent put-if-match sha256 etag-md5 delete list",
		servers.MinIO:     "s3/2 copy=there put-if-absent complete-if-absent put-if-match sha256 etag-md5 delete list",
		servers.RcloneS3:  "s3/2 copy=self etag-md5 delete list",
	}
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		b := mustOpen(t, srv.Address, remote.OpenOptions{})
		later := strings.NewReplacer("copy=there", "copy=later", "copy=self", "copy=later").Replace(want[srv.Kind])
		if got := b.Learned(); got != later {
			t.Errorf("Learned = %q, want %q", got, later)
		}
		b = mustOpen(t, srv.Address, remote.OpenOptions{Learned: later})
		if err := b.Touch(t.Context(), key, time.Time{}); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("Touch = %v, want %v", err, remote.ErrNotExist)
		}
		if got := b.Learned(); got != want[srv.Kind] {
			t.Errorf("Learned after a touch = %q, want %q", got, want[srv.Kind])
		}
		wantEmpty(t, b)
	})
}

// wantEmpty checks that a bucket holds nothing, not even what is no object.
func wantEmpty(t *testing.T, b *Bucket) {
	t.Helper()
	var left []string
	err := b.pages(t.Context(), span{}, func(p *page) bool {
		for _, e := range p.entries {
			left = append(left, e.name)
		}
		return true
	})
	if err != nil || len(left) > 0 {
		t.Errorf("the bucket holds %q, %v, want nothing", left, err)
	}
	err = b.Uploads(t.Context(), func(key remote.Key, id string, _ time.Time) error {
		t.Errorf("upload %s of %q is left", id, key)
		return nil
	})
	if err != nil && !errors.Is(err, remote.ErrUnsupported) {
		t.Errorf("Uploads = %v", err)
	}
}

// TestProbeInterrupted: nor when the search ends before its end.
func TestProbeInterrupted(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		for after := time.Duration(0); after < 60*time.Millisecond; after += 6 * time.Millisecond {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			r, err := Open(ctx, srv.Address, remote.OpenOptions{})
			cancel()
			if err == nil {
				r.(*Bucket).Close()
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Open within %v = %v, want %v", after, err, context.DeadlineExceeded)
			}
		}
		wantEmpty(t, mustOpen(t, srv.Address, remote.OpenOptions{ReadOnly: true}))
	})
}
