package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

var key = remotetest.Key(1)

// always answers all requests with an error.
func always(status int, code string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		refuse(w, status, code)
		return true
	}
}

// TestErrors: each answer is of its kind, in words without the SDK's.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		kind   error
		words  string
	}{
		{404, "NoSuchKey", remote.ErrNotExist, ""},
		{404, "NoSuchBucket", remote.ErrUnavailable, "bucket bucket does not exist at http://127.0.0.1"},
		{403, "AccessDenied", remote.ErrPermission, "access denied"},
		{403, "InvalidAccessKeyId", remote.ErrPermission, "does not know the access key"},
		{403, "SignatureDoesNotMatch", remote.ErrPermission, "secret key does not fit"},
		{403, "RequestTimeTooSkewed", remote.ErrPermission, "clocks differ"},
		{400, "ExpiredToken", remote.ErrPermission, "expired"},
		{301, "PermanentRedirect", remote.ErrUnavailable, "region="},
		{503, "SlowDown", remote.ErrUnavailable, "SlowDown"},
		{500, "InternalError", remote.ErrUnavailable, "InternalError"},
		{429, "TooManyRequests", remote.ErrUnavailable, "TooManyRequests"},
		{501, "NotImplemented", remote.ErrUnsupported, "NotImplemented"},
		{405, "MethodNotAllowed", remote.ErrUnsupported, "MethodNotAllowed"},
	} {
		f := newFake(t)
		b := f.known(t)
		f.set(always(test.status, test.code))
		_, _, err := b.Get(t.Context(), key, 0)
		if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.words) ||
			strings.Contains(err.Error(), "https response error") || strings.Contains(err.Error(), "RequestID") {
			t.Errorf("Get answered %d %s = %v, want %v with %q", test.status, test.code, err, test.kind, test.words)
		}
	}
}

// TestRefused: nobody listens.
func TestRefused(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	f.Close()
	_, err := b.Stat(t.Context(), key)
	if !errors.Is(err, remote.ErrUnavailable) || !strings.HasSuffix(err.Error(), "connection refused") {
		t.Errorf("Stat = %v, want %v and connection refused", err, remote.ErrUnavailable)
	}
	if _, err := Open(t.Context(), f.address(), remote.OpenOptions{}); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Open = %v, want %v", err, remote.ErrUnavailable)
	}
}

// TestKnownAway: a remote that a cache knows may be away, and is probed when it
// is back.
func TestKnownAway(t *testing.T) {
	f := newFake(t)
	f.set(always(http.StatusServiceUnavailable, "SlowDown"))
	b := f.open(t, remote.OpenOptions{Known: true})
	if b.Learned() != "" {
		t.Errorf("Learned = %q while nothing answers", b.Learned())
	}
	if err := b.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Put = %v, want %v", err, remote.ErrUnavailable)
	}
	f.set(nil)
	if err := b.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true}); err != nil {
		t.Errorf("Put = %v", err)
	}
	if _, ok := parseFacts(b.Learned()); !ok {
		t.Errorf("Learned = %q after an answer", b.Learned())
	}
	if len(f.objects) != 1 {
		t.Errorf("the bucket holds %d objects, want 1", len(f.objects))
	}
}

// TestLearned: what was found out is not found out again.
func TestLearned(t *testing.T) {
	f := newFake(t)
	learned := f.open(t, remote.OpenOptions{}).Learned()
	before := f.count(http.MethodPut)
	for _, o := range []remote.OpenOptions{{Learned: learned}, {ReadOnly: true}} {
		if err := f.open(t, o).Explore(t.Context()); err != nil {
			t.Errorf("Explore = %v", err)
		}
		if n := f.count(http.MethodPut) - before; n != 0 {
			t.Errorf("Open with %+v and Explore write %d times", o, n)
		}
	}
	b := f.open(t, remote.OpenOptions{Learned: "s3/0 copy=self"})
	if f.count(http.MethodPut) == before || b.Learned() != learned {
		t.Errorf("what another version learned is believed: %q, want %q", b.Learned(), learned)
	}
}

// TestReadOnly: a server that refuses writes is read-only, and says so.
func TestReadOnly(t *testing.T) {
	f := newFake(t)
	f.objects["root/"+string(key)] = []byte("x")
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return false
		}
		refuse(w, http.StatusForbidden, "AccessDenied")
		return true
	})
	b := f.open(t, remote.OpenOptions{})
	if !b.Traits().ReadOnly || b.Learned() != "" {
		t.Errorf("Traits = %+v, Learned = %q, want read-only and nothing", b.Traits(), b.Learned())
	}
	err := b.Put(t.Context(), key, remotetest.Bytes("y"), remote.PutOptions{})
	if !errors.Is(err, remote.ErrUnsupported) {
		t.Errorf("Put = %v, want %v", err, remote.ErrUnsupported)
	}
	var refused *remote.Error
	if err := b.Delete(t.Context(), key, key+"2"); !errors.As(err, &refused) || refused.Key != "" {
		t.Errorf("Delete of two = %v, want an error that is of no key alone", err)
	}
	for _, a := range b.Abilities() {
		if a.Name == "rights" && a.Warn == "" {
			t.Errorf("%+v does not warn", a)
		}
	}
}

// TestAbsent403: who may not list is told "access denied" of what is missing.
func TestAbsent403(t *testing.T) {
	f := newFake(t)
	f.objects["root/"+string(key)] = []byte("x")
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		name := strings.TrimPrefix(r.URL.Path, "/bucket/")
		f.mu.Lock()
		_, there := f.objects[name]
		f.mu.Unlock()
		if there || r.Method != http.MethodGet && r.Method != http.MethodHead {
			return false
		}
		refuse(w, http.StatusForbidden, "AccessDenied")
		return true
	})
	b := f.open(t, remote.OpenOptions{ReadOnly: true})
	if !b.Traits().NoList {
		t.Errorf("Traits = %+v, want no listing", b.Traits())
	}
	if _, err := b.Stat(t.Context(), key); err != nil {
		t.Errorf("Stat = %v", err)
	}
	_, statErr := b.Stat(t.Context(), remotetest.Key(2))
	_, _, getErr := b.Get(t.Context(), remotetest.Key(2), 0)
	for _, err := range []error{statErr, getErr} {
		if !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("lookup of a missing object = %v, want %v", err, remote.ErrNotExist)
		}
	}
}

// TestNoRights: where nothing is allowed a first mount says so.
func TestNoRights(t *testing.T) {
	f := newFake(t)
	f.set(always(http.StatusForbidden, "AccessDenied"))
	_, err := Open(t.Context(), f.address(), remote.OpenOptions{})
	if !errors.Is(err, remote.ErrPermission) || !strings.Contains(err.Error(), "--read-only") {
		t.Errorf("Open = %v, want %v and what to do", err, remote.ErrPermission)
	}
}

// TestConflict: a conditional put that meets another one is tried again.
func TestConflict(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	var left atomic.Int64
	left.Store(2)
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || left.Add(-1) < 0 {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body) // else the client may fail to send it before it sees the answer
		refuse(w, http.StatusConflict, "ConditionalRequestConflict")
		return true
	})
	content := remotetest.Pattern(3<<20, 1) // more than is kept in memory
	if err := b.Put(t.Context(), key, remotetest.Bytes(content), remote.PutOptions{Create: true}); err != nil {
		t.Errorf("Put = %v", err)
	}
	left.Store(1 << 40)
	err := b.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true})
	if !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Put that always meets another = %v, want %v", err, remote.ErrUnavailable)
	}
}

// TestClosedConnection: a request that the server hangs up on is made again,
// unless it is one that must not be.
func TestClosedConnection(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	var left atomic.Int64
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if left.Add(-1) < 0 {
			return false
		}
		panic(http.ErrAbortHandler)
	})
	left.Store(1)
	if err := b.Delete(t.Context(), key); err != nil {
		t.Errorf("Delete = %v", err)
	}
	left.Store(1)
	err := b.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true})
	if !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Put with Create = %v, want %v: it may have arrived", err, remote.ErrUnavailable)
	}
}

// answer answers GET with headers and a body.
func answer(header map[string]string, body []byte) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
		for name, value := range header {
			w.Header().Set(name, value)
		}
		_, _ = w.Write(body)
		return true
	}
}

// TestWrongContent: content that is not what the server says it is.
func TestWrongContent(t *testing.T) {
	good, bad := sha256.Sum256([]byte("content")), sha256.Sum256([]byte("other"))
	for name, test := range map[string]struct {
		header map[string]string
		want   error
	}{
		"length":        {map[string]string{"Content-Length": "9"}, remote.ErrUnavailable},
		"sha256":        {map[string]string{"X-Amz-Checksum-Sha256": *base64Of(bad)}, remote.ErrCorrupt},
		"right sha256":  {map[string]string{"X-Amz-Checksum-Sha256": *base64Of(good)}, nil},
		"crc64nvme":     {map[string]string{"X-Amz-Checksum-Crc64nvme": "AAAAAAAAAAA="}, remote.ErrCorrupt},
		"crc32":         {map[string]string{"X-Amz-Checksum-Crc32": "AAAAAA=="}, remote.ErrCorrupt},
		"etag":          {map[string]string{"ETag": tagFor([]byte("other"))}, remote.ErrCorrupt},
		"etag of parts": {map[string]string{"ETag": strings.Replace(tagFor([]byte("other")), `"`, `"2-`, 1)}, nil},
		"etag of kms":   {map[string]string{"ETag": tagFor([]byte("other")), "X-Amz-Server-Side-Encryption": "aws:kms"}, nil},
		"parts": {map[string]string{"X-Amz-Checksum-Sha256": *base64Of(bad) + "-2",
			"X-Amz-Checksum-Type": "COMPOSITE"}, nil},
	} {
		f := newFake(t)
		b := f.known(t)
		b.adopt(facts{md5: true, copies: copySelf})
		f.set(answer(test.header, []byte("content")))
		body, _, err := b.Get(t.Context(), key, 0)
		if err != nil {
			t.Errorf("%s: Get = %v", name, err)
			continue
		}
		if _, err = io.ReadAll(body); !errors.Is(err, test.want) {
			t.Errorf("%s: reading = %v, want %v", name, err, test.want)
		}
		body.Close()
	}
}

// TestRanges: what a server may answer to a range.
func TestRanges(t *testing.T) {
	content := remotetest.Pattern(1000, 1)
	for name, test := range map[string]struct {
		header map[string]string
		body   []byte
		want   error
	}{
		"rclone":  {map[string]string{"Content-Range": "bytes 100-999/1000"}, content[100:], nil},
		"bare":    {nil, content[100:], nil},
		"ignored": {nil, content, remote.ErrCorrupt},
		"other":   {map[string]string{"Content-Range": "bytes 0-899/1000"}, content[:900], remote.ErrCorrupt},
	} {
		f := newFake(t)
		f.objects["root/"+string(key)] = content
		b := f.known(t)
		f.set(answer(test.header, test.body))
		body, _, err := b.Get(t.Context(), key, 100)
		if err == nil {
			var got []byte
			if got, err = io.ReadAll(body); err == nil && !bytes.Equal(got, content[100:]) {
				t.Errorf("%s: wrong bytes", name)
			}
			body.Close()
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: Get = %v, want %v", name, err, test.want)
		}
	}
}

// TestStall: a body that stands still ends with its context, or when it is
// closed.
func TestStall(t *testing.T) {
	for _, size := range []int{1000, piecesFrom + 1000} {
		f := newFake(t)
		b := f.known(t)
		gone := make(chan struct{})
		f.set(func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
			w.Header().Set("ETag", `"x"`)
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = w.Write(make([]byte, 500))
			w.(http.Flusher).Flush()
			<-gone
			return true
		})
		ctx, cancel := context.WithCancel(t.Context())
		body, _, err := b.Get(ctx, key, 0)
		if err != nil {
			t.Fatalf("Get = %v", err)
		}
		if _, err := io.ReadFull(body, make([]byte, 500)); err != nil {
			t.Errorf("Read = %v", err)
		}
		time.AfterFunc(10*time.Millisecond, cancel)
		if _, err := io.ReadAll(body); !errors.Is(err, context.Canceled) {
			t.Errorf("reading on = %v, want %v", err, context.Canceled)
		}
		body.Close()
		if body, _, err = b.Get(t.Context(), key, 0); err != nil {
			t.Fatalf("Get = %v", err)
		}
		body.Close() // must not wait for the server
		close(gone)
	}
}

// TestSameToken: a listing that goes round in circles ends.
func TestSameToken(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	for name, token := range map[string]string{"same": "again", "none": "", "two": "two"} {
		var n atomic.Int64
		f.set(func(w http.ResponseWriter, r *http.Request) bool {
			next := token
			if token == "two" {
				next = fmt.Sprint(n.Add(1) % 2)
			}
			fmt.Fprintf(w, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>"+
				"<Contents><Key>root/sstate:a</Key><Size>1</Size><LastModified>2026-01-02T03:04:05Z</LastModified></Contents></ListBucketResult>", next)
			return true
		})
		err := b.List(t.Context(), "", func(remote.Info) error { return nil })
		if !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "does not advance") {
			t.Errorf("List with %s token = %v, want %v", name, err, remote.ErrUnavailable)
		}
	}
}

// TestGarbage: an answer that is no listing is no empty remote.
func TestGarbage(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	for _, text := range []string{
		"", "hello", "<html><body>Log in</body></html>", "<ListBucketResult><Contents>",
		"<ListBucketResult><IsTruncated>false</IsTruncated></Listing>",
		"<ListBucketResult><Contents><Key>a</Key><Size>many</Size></Contents></ListBucketResult>",
	} {
		f.set(func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprint(w, text)
			return true
		})
		err := b.List(t.Context(), "", func(remote.Info) error { return nil })
		if !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("List answered %q = %v, want %v", text, err, remote.ErrUnavailable)
		}
	}
}

// TestClock: the dates of answers tell the server's time.
func TestClock(t *testing.T) {
	f := newFake(t)
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Date", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))
		return false
	})
	b := f.known(t)
	ahead, ok := b.Offset()
	if !ok || (ahead-10*time.Minute).Abs() > 2*time.Second {
		t.Errorf("Offset = %v, %t, want 10 minutes", ahead, ok)
	}
	for _, a := range b.Abilities() {
		if a.Name == "clock" && a.Warn == "" {
			t.Errorf("%+v does not warn", a)
		}
	}
}
