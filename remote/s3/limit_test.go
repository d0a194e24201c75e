package s3

import (
	"bytes"
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

// TestEndlessAnswers: an answer that does not end is not read for ever, whatever
// it is to.
func TestEndlessAnswers(t *testing.T) {
	const most, slack = 64 << 20, 16 << 20 // bytes; slack is what sockets hold
	for name, test := range map[string]struct {
		status int
		begin  string
		limit  int64
		call   func(b *Bucket) error
	}{
		"error": {http.StatusForbidden, "<Error><Code>", errorLimit, func(b *Bucket) error {
			_, _, err := b.Get(t.Context(), key, 0)
			return err
		}},
		"delete": {http.StatusOK, "<DeleteResult>", pageLimit, func(b *Bucket) error {
			return b.Delete(t.Context(), key, key+"2")
		}},
		"uploads": {http.StatusOK, "<ListMultipartUploadsResult>", pageLimit, func(b *Bucket) error {
			return b.Uploads(t.Context(), func(remote.Key, string, time.Time) error { return nil })
		}},
		"no listing": {http.StatusAccepted, "", pageLimit, func(b *Bucket) error { return b.Probe(t.Context()) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			b := f.known(t)
			var written atomic.Int64
			f.set(func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.begin)
				piece := bytes.Repeat([]byte(" "), 1<<20)
				for sent := 0; sent < most; sent += len(piece) {
					if _, err := w.Write(piece); err != nil {
						return true
					}
					written.Add(int64(len(piece)))
				}
				return true
			})
			if err := test.call(b); err == nil {
				t.Errorf("there is no error")
			}
			f.Close() // waits for what still writes
			if n := written.Load(); n > 2*test.limit+slack {
				t.Errorf("%d bytes are read, want about %d", n, test.limit)
			}
		})
	}
}

// TestLongContent: the content of an object has no limit, neither the whole nor
// the rest of one.
func TestLongContent(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	content := remotetest.Pattern(pageLimit+2<<20, 1)
	f.objects["root/"+string(key)] = content
	for _, offset := range []int64{0, 1 << 20} {
		body, _, err := b.Get(t.Context(), key, offset)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, content[offset:]) {
			t.Errorf("from %d there are %d bytes, %v, want %d", offset, len(got), err, len(content[offset:]))
		}
		body.Close()
	}
}

// TestUploadsInCircles: markers that come again end the listing of uploads.
func TestUploadsInCircles(t *testing.T) {
	for name, test := range map[string]struct {
		round int64 // markers in a circle
		want  string
	}{
		"two":  {2, "does not advance"},
		"ever": {1 << 40, "does not end"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			b := f.known(t)
			b.mostPages = 20
			var pages atomic.Int64
			f.set(func(w http.ResponseWriter, _ *http.Request) bool {
				n := pages.Add(1)
				if n > 100 {
					return false // no such thing: it ends
				}
				fmt.Fprintf(w, "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"+
					"<NextKeyMarker>%d</NextKeyMarker></ListMultipartUploadsResult>", n%test.round)
				return true
			})
			err := b.Uploads(t.Context(), func(remote.Key, string, time.Time) error { return nil })
			if err == nil || !strings.Contains(err.Error(), test.want) || pages.Load() > 30 {
				t.Errorf("Uploads = %v after %d pages, want it %s", err, pages.Load(), test.want)
			}
		})
	}
}
