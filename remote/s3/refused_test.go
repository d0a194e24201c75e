package s3

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// TestDeniedForNow: a bucket that a cache knows as one that can be listed is away
// while its server denies everything, and not one without listing until the next
// mount. That it is when names may be asked for.
func TestDeniedForNow(t *testing.T) {
	f := newFake(t)
	learned := f.open(t, remote.OpenOptions{}).Learned()
	f.set(always(http.StatusForbidden, "AccessDenied"))
	b := f.open(t, remote.OpenOptions{Known: true, Learned: learned})
	if err := b.Probe(t.Context()); b.Traits().NoList || !errors.Is(err, remote.ErrPermission) {
		t.Errorf("Traits = %+v, Probe = %v, want a listing and %v", b.Traits(), err, remote.ErrPermission)
	}
	f.set(nil)
	if err := b.Probe(t.Context()); err != nil {
		t.Errorf("Probe = %v after it is allowed again", err)
	}
	if err := b.List(t.Context(), "", func(remote.Info) error { return nil }); err != nil {
		t.Errorf("List = %v after it is allowed again", err)
	}
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has("list-type") {
			return false
		}
		refuse(w, http.StatusForbidden, "AccessDenied")
		return true
	})
	b = f.open(t, remote.OpenOptions{Known: true, Learned: learned})
	if !b.Traits().NoList || strings.Contains(b.Learned(), "list") {
		t.Errorf("Traits = %+v, Learned = %q, want no listing", b.Traits(), b.Learned())
	}
}

// TestSkewedClock: a server whose clock is hours off refuses what was signed by
// ours. It has told its own time by then, and the next request is signed by that.
func TestSkewedClock(t *testing.T) {
	for _, skew := range []time.Duration{5 * time.Hour, -26 * time.Hour} {
		f := newFake(t)
		f.set(func(w http.ResponseWriter, r *http.Request) bool {
			theirs := time.Now().Add(skew)
			w.Header().Set("Date", theirs.UTC().Format(http.TimeFormat))
			signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
			if err == nil && signed.Sub(theirs).Abs() < 15*time.Minute {
				return false
			}
			_, _ = io.Copy(io.Discard, r.Body)
			refuse(w, http.StatusForbidden, "RequestTimeTooSkewed")
			return true
		})
		b := f.open(t, remote.OpenOptions{})
		if err := b.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true}); err != nil {
			t.Errorf("Put = %v with a clock that is %v off", err, skew)
		}
		if ahead, ok := b.Offset(); !ok || (ahead-skew).Abs() > 2*time.Second {
			t.Errorf("Offset = %v, %t, want %v", ahead, ok, skew)
		}
	}
}

// TestPassingTrouble: a server that answers 500 for a moment can be opened.
func TestPassingTrouble(t *testing.T) {
	f := newFake(t)
	var left atomic.Int64
	left.Store(2)
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has("list-type") || left.Add(-1) < 0 {
			return false
		}
		refuse(w, http.StatusInternalServerError, "InternalError")
		return true
	})
	f.open(t, remote.OpenOptions{})
}
