package s3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sstatefs/remote"
)

// wantRanges lists the root in pages that are small, so that it is split again and
// again.
func wantRanges(t *testing.T, b *Bucket, page int32, want map[remote.Key]bool) {
	t.Helper()
	var mu sync.Mutex
	got := make(map[remote.Key]bool)
	one := &tree{b: b, want: remote.Key.IsObject, limit: page, hand: func(infos []remote.Info) error {
		mu.Lock()
		defer mu.Unlock()
		for _, info := range infos {
			if got[info.Key] {
				t.Errorf("%q is in two ranges", info.Key)
			}
			got[info.Key] = true
		}
		return nil
	}}
	if err := one.list(t.Context(), b.folder("")); err != nil || !maps.Equal(got, want) {
		t.Errorf("list in ranges = %d objects, %v, want %d", len(got), err, len(want))
	}
}

// filled is a fake with so many objects in 256 folders of a shard, some in
// others.
func filled(t *testing.T, objects int) (f *fake, b *Bucket, want int) {
	t.Helper()
	f = newFake(t)
	for i := range objects {
		f.objects[fmt.Sprintf("root/ab/%02x/sstate:%08x", i%256, i)] = nil
	}
	f.objects["root/aa/00/sstate:x"], f.objects["root/ac/00/sstate:x"] = nil, nil
	f.objects["root/ab/7f-/sstate:x"], f.objects["root/ab/sstate:x"] = nil, nil // beside the folders of hashes
	return f, f.known(t), objects + 2
}

// listedOnce lists a folder, of which each object has to come once.
func listedOnce(t *testing.T, b *Bucket, prefix string) map[remote.Key]bool {
	t.Helper()
	got := make(map[remote.Key]bool)
	err := b.List(t.Context(), prefix, func(info remote.Info) error {
		if got[info.Key] {
			t.Errorf("List(%q) gives %q twice", prefix, info.Key)
		}
		got[info.Key] = true
		return nil
	})
	if err != nil {
		t.Errorf("List(%q) = %v", prefix, err)
	}
	return got
}

// TestListRequests counts the requests that list a shard: pages, the look for
// its folders, and one more for each range at most.
func TestListRequests(t *testing.T) {
	for _, test := range []struct{ objects, pages, most int }{
		{6_000, 7, 7},    // in a row, with what lies beside
		{8_500, 9, 10},   // and a look
		{12_000, 13, 17}, // 3 ranges at most
		{39_000, 40, 49},
	} {
		t.Run(fmt.Sprint(test.objects), func(t *testing.T) {
			f, b, want := filled(t, test.objects)
			before := f.count(http.MethodGet)
			if got := len(listedOnce(t, b, "ab")); got != want {
				t.Errorf("List = %d objects, want %d", got, want)
			}
			n := f.count(http.MethodGet) - before
			t.Logf("%d requests for %d pages", n, test.pages)
			if n < test.pages || n > test.most {
				t.Errorf("%d requests, want %d to %d", n, test.pages, test.most)
			}
		})
	}
}

// TestRangesWithout: a server that does not say what folders there are, ignores
// where a listing is to begin, or has too much to do for that, is listed in a row.
func TestRangesWithout(t *testing.T) {
	for name, spoil := range map[string]func(w http.ResponseWriter, r *http.Request) (done bool){
		"throttled": func(w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
			return true
		},
		"start-after ignored": func(_ http.ResponseWriter, r *http.Request) bool {
			q := r.URL.Query()
			q.Del("start-after")
			r.URL.RawQuery = q.Encode()
			return false
		},
		"delimiter ignored": func(_ http.ResponseWriter, r *http.Request) bool {
			q := r.URL.Query()
			q.Del("delimiter")
			r.URL.RawQuery = q.Encode()
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, b, want := filled(t, 12_000)
			var looks atomic.Int64
			f.set(func(w http.ResponseWriter, r *http.Request) bool {
				if !r.URL.Query().Has("delimiter") {
					return false
				}
				looks.Add(1)
				return spoil(w, r)
			})
			if got := len(listedOnce(t, b, "ab")); got != want || looks.Load() == 0 {
				t.Errorf("List = %d objects after %d looks, want %d after some", got, looks.Load(), want)
			}
		})
	}
}

// TestRangeThrottled: a page of a range that the server has no time for fails
// the listing, as any page does.
func TestRangeThrottled(t *testing.T) {
	f, b, _ := filled(t, 20_000)
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		q := r.URL.Query()
		if !q.Has("start-after") || q.Has("delimiter") {
			return false
		}
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return true
	})
	err := b.List(t.Context(), "ab", func(remote.Info) error { return nil })
	if !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("List = %v, want %v", err, remote.ErrUnavailable)
	}
}

// TestSplit: the ranges are what comes after the last name, without a hole.
func TestSplit(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	for _, name := range []string{"aa/00", "ab/00", "ab/01", "ab/02", "ac/00", "ad/00"} {
		f.objects["root/"+name+"/sstate:x"] = nil
	}
	for _, test := range []struct{ last, end, want string }{
		{"root/aa/00/sstate:x", "", "[..root/ab/) [root/ab/..root/ac/) [root/ac/..root/ad/) [root/ad/..)"},
		{"root/aa/00/sstate:x", "root/ac/", "[..root/ab/) [root/ab/..root/ac/)"},
		{"root/ab/00/sstate:x", "root/ac/", "[..root/ab/01/) [root/ab/01/..root/ab/02/) [root/ab/02/..root/ac/)"},
		{"root/ab/01/sstate:x", "root/ab/02/", "[..root/ab/02/)"},
		{"root/ad/00/sstate:x", "", "[..)"},
	} {
		one := &tree{b: b, prefix: "root/"}
		w := walker{t: one, branch: branch{end: test.end}, sorted: true, last: test.last, names: []string{test.last}, pages: 8}
		parts := w.split(t.Context())
		parts = slices.Insert(parts, 0, w.branch)
		var got []string
		for _, p := range parts {
			got = append(got, fmt.Sprintf("[%s..%s)", p.after, p.end))
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("split after %q before %q = %s, want %s", test.last, test.end, s, test.want)
		}
	}
}

// TestRangeHolds: of servers that ignore start-after only the range is taken,
// and all of it where names come in no order.
func TestRangeHolds(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	for _, names := range []string{"abcdefgh", "hgfedcba", "cadbfehg"} {
		f.answering(func() string {
			all := make([]string, len(names))
			for i, c := range names {
				all[i] = fmt.Sprintf("root/sstate:%c", c)
			}
			return contents(all...)
		})
		got := ""
		one := &tree{b: b, prefix: "root/", want: remote.Key.IsObject, hand: func(infos []remote.Info) error {
			for _, info := range infos {
				got += strings.TrimPrefix(string(info.Key), "sstate:")
			}
			return nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		err := one.walk(ctx, cancel, branch{after: "root/sstate:b", end: "root/sstate:f"})
		cancel()
		letters := []byte(got)
		slices.Sort(letters)
		if err != nil || string(letters) != "cde" {
			t.Errorf("range of %s = %q, %v, want cde", names, got, err)
		}
	}
}
