package s3

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// cutAfter answers as the fake does, but breaks off in the middle of a body.
func cutAfter(f *fake, n int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.get(&cutter{w, n}, r, "root/"+string(key))
	}
}

// A cutter breaks off after left bytes.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; c.left == 0 && err == nil {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// TestResume: what is cut is asked for again from there, if it is still the
// same.
func TestResume(t *testing.T) {
	content := remotetest.Pattern(piecesFrom+1000, 1)
	for name, test := range map[string]struct {
		size int
		then func(f *fake, w http.ResponseWriter, r *http.Request) bool // to the requests after the first
		want error
	}{
		"same":  {100_000, nil, nil},
		"large": {len(content), nil, nil},
		"refused": {100_000, func(_ *fake, w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
			return true
		}, remote.ErrUnavailable},
		"replaced": {100_000, func(f *fake, _ http.ResponseWriter, _ *http.Request) bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.objects["root/"+string(key)] = content[1:100_001]
			return false
		}, remote.ErrCorrupt},
		"cut again": {100_000, func(f *fake, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", strconv.Itoa(100_000-10_000))
			w.Header().Set("ETag", tagFor(content[:100_000]))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, remote.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			content := content[:test.size]
			f.objects["root/"+string(key)] = content
			b := f.known(t)
			var gets atomic.Int64
			f.set(func(w http.ResponseWriter, r *http.Request) bool {
				if gets.Add(1) == 1 {
					sum := sha256.Sum256(content)
					w.Header().Set("X-Amz-Checksum-Sha256", *base64Of(sum))
					cutAfter(f, 10_000)(w, r)
				}
				if r.Header.Get("If-Match") != tagFor(content) {
					t.Errorf("the rest is asked for with If-Match %q", r.Header.Get("If-Match"))
				}
				return test.then != nil && test.then(f, w, r)
			})
			body, _, err := b.Get(t.Context(), key, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			got, err := io.ReadAll(body)
			if !errors.Is(err, test.want) || test.want == nil && !bytes.Equal(got, content) {
				t.Errorf("read %d bytes, %v, want %v", len(got), err, test.want)
			}
			if test.want == nil && !body.(remote.Verifier).Verifies() {
				t.Error("the content is not verified")
			}
			sum, ok := body.(remote.Summer).Sum256()
			if ok != (test.want == nil) || ok && sum != sha256.Sum256(content) {
				t.Errorf("Sum256 = %x, %t", sum, ok)
			}
		})
	}
}
