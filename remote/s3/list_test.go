package s3

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// treeKeys are more than a page of each kind: in folders, in folders of
// folders of which one holds most, and at the root.
func treeKeys() map[remote.Key]bool {
	keys := make(map[remote.Key]bool)
	for i := range 1500 {
		name := fmt.Sprintf("sstate:%04d", i)
		keys[remote.Key(fmt.Sprintf("%02x/%02x/%s", i%16, i%3, name))] = true
		keys[remote.Key(fmt.Sprintf("universal/%02x/%02x/%s", i%5, i%7, name))] = true
		keys[remote.Key(fmt.Sprintf("universal-4.9/%02x/%02x/%s", i%2, i%11, name))] = true // between universal and universal/
		keys[remote.Key(name)] = true
	}
	return keys
}

// clutter is what a listing leaves out.
var clutter = []string{"ab/README", "ab/.sstatefs-0123456789abcdef", ".hidden", "universal/sstate-control/x", "zz/.sstate:x.sgwtmp.1"}

// TestTree: a listing that is split finds everything once.
func TestTree(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		if srv.Kind == servers.MinIO {
			return // it has no plain files to write
		}
		root := srv.Sub(t, "root")
		want := treeKeys()
		for key := range want {
			writeFile(t, filepath.Join(root.Data, string(key)))
		}
		for _, name := range clutter {
			writeFile(t, filepath.Join(root.Data, name))
		}
		b := mustOpen(t, root.Address, remote.OpenOptions{ReadOnly: true})
		wantTree(t, b, want)
		page := int32(50)
		if srv.Kind == servers.RcloneS3 {
			page = 400 // it walks through all its folders for each
		}
		wantRanges(t, b, page, want)
		var left []remote.Key
		err := b.Leftovers(t.Context(), func(info remote.Info) error {
			left = append(left, info.Key)
			return nil
		})
		if err != nil || !slices.Equal(left, []remote.Key{"ab/.sstatefs-0123456789abcdef"}) {
			t.Errorf("Leftovers = %q, %v", left, err)
		}
	})
}

func writeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// wantTree lists the root, and folders of all sizes.
func wantTree(t *testing.T, b *Bucket, want map[remote.Key]bool) {
	t.Helper()
	for _, prefix := range []string{"", "universal", "03", "universal/02", "nothing"} {
		below := maps.Clone(want)
		maps.DeleteFunc(below, func(key remote.Key, _ bool) bool {
			return prefix != "" && !strings.HasPrefix(string(key), prefix+"/")
		})
		if got := listedOnce(t, b, prefix); !maps.Equal(got, below) {
			t.Errorf("List(%q) = %d objects, want %d", prefix, len(got), len(below))
		}
	}
}

// TestUnsorted: pages that are not sorted are not split, and not taken
// for the same.
func TestUnsorted(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	var pages atomic.Int64
	f.set(unsorted(&pages))
	var got []string
	err := b.List(t.Context(), "", func(info remote.Info) error {
		got = append(got, string(info.Key))
		return nil
	})
	if err != nil || len(got) != 6 || pages.Load() != 3 {
		t.Errorf("List = %q, %v in %d pages, want 6 in 3", got, err, pages.Load())
	}
}

// TestSweepUnsorted: what is not sorted cannot be put together by folder, which
// is said before anything else.
func TestSweepUnsorted(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	var pages atomic.Int64
	f.set(unsorted(&pages))
	err := b.Sweep(t.Context(), func(folder string, files []remote.Info) error {
		t.Errorf("Sweep gives %q with %v", folder, files)
		return nil
	})
	if !errors.Is(err, remote.ErrUnsupported) || pages.Load() != 1 {
		t.Errorf("Sweep = %v after %d pages, want %v after one", err, pages.Load(), remote.ErrUnsupported)
	}
}

// unsorted gives three pages of two names, as AWS's directory buckets do.
func unsorted(pages *atomic.Int64) func(http.ResponseWriter, *http.Request) bool {
	names := []string{"sstate:c", "sstate:b", "sstate:f", "sstate:a", "sstate:e", "sstate:d"}
	return func(w http.ResponseWriter, r *http.Request) bool {
		pages.Add(1)
		at, _ := strconv.Atoi(r.URL.Query().Get("continuation-token"))
		fmt.Fprintf(w, "<ListBucketResult><IsTruncated>%t</IsTruncated><NextContinuationToken>%d</NextContinuationToken>", at < 4, at+2)
		for _, name := range names[at : at+2] {
			fmt.Fprintf(w, "<Contents><Key>root/%s</Key><Size>1</Size><LastModified>2026-01-02T03:04:05Z</LastModified></Contents>", name)
		}
		fmt.Fprint(w, "</ListBucketResult>")
		return true
	}
}

// TestListOwnError: an error of the caller ends the workers.
func TestListOwnError(t *testing.T) {
	f := newFake(t)
	for i := range 3000 {
		f.objects["root/"+string(remotetest.Key(i))] = nil
	}
	own := errors.New("enough")
	if err := f.known(t).List(t.Context(), "", func(remote.Info) error { return own }); err != own { //nolint:errorlint // the very error
		t.Errorf("List = %v, want %v", err, own)
	}
}

// TestRepeatedPages: what two pages hold comes once, and a page that is missing is
// what it leaves out and nothing else.
func TestRepeatedPages(t *testing.T) {
	const page = "<ListBucketResult><IsTruncated>%t</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>"
	content := func(names string) (text string) {
		for _, name := range names {
			text += fmt.Sprintf("<Contents><Key>root/ab/cd/sstate:%c</Key><Size>1</Size><LastModified>2026-01-02T03:04:05Z</LastModified></Contents>", name)
		}
		return text
	}
	for name, test := range map[string]struct {
		pages []string // names in each, by token
		want  string
	}{
		"right":    {[]string{"ab", "cd", "ef"}, "abcdef"},
		"again":    {[]string{"ab", "ab", "cd"}, "abcd"},
		"overlap":  {[]string{"abc", "bcd", "e"}, "abcde"},
		"vanished": {[]string{"ab", "", "ef"}, "abef"},
		"all gone": {[]string{"", "", ""}, ""},
	} {
		f := newFake(t)
		b := f.known(t)
		f.set(func(w http.ResponseWriter, r *http.Request) bool {
			n := 0
			_, _ = fmt.Sscan(r.URL.Query().Get("continuation-token"), &n)
			fmt.Fprintf(w, page, n+1 < len(test.pages), fmt.Sprint(n+1), content(test.pages[n]))
			return true
		})
		var got []string
		err := b.List(t.Context(), "", func(info remote.Info) error {
			got = append(got, strings.TrimPrefix(string(info.Key), "ab/cd/sstate:"))
			return nil
		})
		slices.Sort(got)
		if err != nil || strings.Join(got, "") != test.want {
			t.Errorf("%s: List = %v, %v, want %q", name, got, err, test.want)
		}
	}
}

// TestListWhileTouched: a touch hides an object from no listing.
func TestListWhileTouched(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		const touches, objects = 100, 20
		h := (&bucketMaker{srv: srv}).harness(t)
		for i := range objects {
			if err := h.Remote.Put(t.Context(), remotetest.Key(i), remotetest.Bytes("content"), remote.PutOptions{Create: true}); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range touches {
				if err := h.Remote.Touch(t.Context(), remotetest.Key(5), time.Time{}); err != nil {
					t.Errorf("Touch = %v", err)
				}
			}
		}()
		for listings, over := 1, false; !over; listings++ {
			select {
			case <-done:
				over = true
			default:
			}
			n := 0
			err := h.Remote.List(t.Context(), "", func(remote.Info) error { n++; return nil })
			if err != nil || n != objects {
				t.Errorf("listing %d has %d objects, %v, want %d", listings, n, err, objects)
			}
		}
	})
}
