package s3

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
)

// listAll lists in every way, and checks what comes: keys that are fit for a
// path.
func listAll(t *testing.T, b *Bucket) (keys map[remote.Key]bool, err error) {
	t.Helper()
	keys = make(map[remote.Key]bool)
	take := func(key remote.Key) {
		if !key.Valid() {
			t.Errorf("gives %.100q, which is no name", key)
		}
		keys[key] = true
	}
	return keys, errors.Join(
		b.List(t.Context(), "", func(i remote.Info) error { take(i.Key); return nil }),
		b.Folders(t.Context(), "", func(f remote.Folder) error { take(remote.Key(f.Name)); return nil }),
		b.Leftovers(t.Context(), func(i remote.Info) error { take(i.Key); return nil }),
	)
}

// answering makes the fake answer all listings with a text.
func (f *fake) answering(text func() string) {
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has("list-type") {
			return false
		}
		fmt.Fprint(w, text())
		return true
	})
}

func contents(names ...string) string {
	var b strings.Builder
	b.WriteString("<ListBucketResult>")
	for _, name := range names {
		escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", "\x00", "&#0;", "\n", "&#10;", "\x1b", "&#27;")
		fmt.Fprintf(&b, "<Contents><Key>%s</Key><Size>1</Size></Contents><CommonPrefixes><Prefix>%[1]s/</Prefix></CommonPrefixes>", escape.Replace(name))
	}
	return b.String() + "</ListBucketResult>"
}

// hostileNames are what others may call their objects, and no cache has.
func hostileNames() []string {
	return []string{
		"root/../sstate:x", "root/ab/../../sstate:x", "root/ab/./sstate:x", "root//sstate:x", "/etc/sstate:x", "root/..", "root/",
		"root/sstate:\x00x", "root/ab\x00/sstate:x", "elsewhere/sstate:x", "root", "",
	}
}

// TestHostileNames: a listing leaves out names that would lead elsewhere, and
// gives those that are merely odd.
func TestHostileNames(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	odd := []string{"ab/sstate:a\nb", "ab/sstate:\x1b[2J", "ab/sstate:%2e%2e"}
	names := hostileNames()
	for _, name := range odd {
		names = append(names, "root/"+name)
	}
	f.answering(func() string { return contents(names...) })
	keys, err := listAll(t, b)
	if err != nil {
		t.Errorf("the listings end with %v", err)
	}
	for _, name := range odd {
		if !keys[remote.Key(name)] {
			t.Errorf("%q is missing", name)
		}
	}
	f.answering(func() string { return contents("root/sstate:" + strings.Repeat("x", 1<<20)) })
	if _, err := listAll(t, b); err == nil || len(err.Error()) > 1000 {
		t.Errorf("a name of a megabyte is %.300v, want an error", err)
	}
}

// TestEndlessListing: a listing with a next page after each is given up.
func TestEndlessListing(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	b.mostPages = 50
	var page atomic.Int64
	f.answering(func() string {
		n := page.Add(1)
		return fmt.Sprintf("<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>"+
			"<Contents><Key>root/a%[1]d</Key><Size>1</Size></Contents><CommonPrefixes><Prefix>root/%[1]d/</Prefix></CommonPrefixes></ListBucketResult>", n)
	})
	err := b.Folders(t.Context(), "", func(remote.Folder) error { return nil })
	if !errors.Is(err, errEndless) {
		t.Errorf("Folders = %v, want a bound", err)
	}
	if n := page.Load(); n > 60 {
		t.Errorf("%d pages were asked for", n)
	}
}

// TestNoPage: a listing that is answered with success and no listing is no empty
// remote, nor one that is there.
func TestNoPage(t *testing.T) {
	for _, status := range []int{http.StatusNoContent, http.StatusAccepted} {
		f := newFake(t)
		b := f.known(t)
		f.set(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			return true
		})
		nothing := func(remote.Info) error { return nil }
		if err := b.Probe(t.Context()); !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("Probe answered %d = %v, want %v", status, err, remote.ErrUnavailable)
		}
		if err := b.List(t.Context(), "", nothing); !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("List answered %d = %v, want %v", status, err, remote.ErrUnavailable)
		}
		if _, err := Open(t.Context(), f.address(), remote.OpenOptions{}); !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("Open answered %d = %v, want %v", status, err, remote.ErrUnavailable)
		}
	}
}

// FuzzListing gives any answer to all listings: they end, with names that are fit
// for a path or an error, in bounded time and memory.
func FuzzListing(f *testing.F) {
	for _, text := range samples {
		f.Add(text)
		f.Add(strings.ReplaceAll(text, "<Key>", "<Key>root/"))
	}
	f.Add(contents(hostileNames()...))
	const input, memory, limit = 16 << 10, 256 << 20, time.Minute
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > input {
			return
		}
		server := newFake(t)
		b := server.known(t)
		b.mostPages = 20
		server.answering(func() string { return text })
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		_, _ = listAll(t, b) // most answers are errors
		runtime.ReadMemStats(&after)
		if took := time.Since(begun); took > limit {
			t.Errorf("took %v", took)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > memory {
			t.Errorf("%d bytes allocated", used)
		}
	})
}
