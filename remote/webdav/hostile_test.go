package webdav

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
)

// listAll lists in every way, and checks what comes: keys below the root that
// are fit for a path, none twice.
func listAll(t *testing.T, d *DAV) (keys map[remote.Key]bool, err error) {
	t.Helper()
	keys = make(map[remote.Key]bool)
	take := func(key remote.Key) {
		if !isName(string(key)) {
			t.Errorf("gives %.100q, which is no name", key)
		}
		keys[key] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = errors.Join(
		d.List(ctx, "", func(i remote.Info) error { take(i.Key); return nil }),
		d.Folders(ctx, "", func(f remote.Folder) error { take(remote.Key(f.Name)); return nil }),
		d.Leftovers(ctx, func(i remote.Info) error { take(i.Key); return nil }),
	)
	if ctx.Err() != nil {
		t.Error("the listings do not end")
	}
	return keys, err
}

// hostileNames are what a server may call its files, and no cache has.
func hostileNames() []string {
	return []string{
		"../sstate:x", "ab/../../sstate:x", "ab/./sstate:x", "ab//sstate:x", "/etc/sstate:x", "..", ".", "sstate:\x00x", "ab\x00/sstate:x",
		"ab/" + strings.Repeat("x", 1<<20) + "/sstate:y", strings.Repeat("a/", 5000) + "sstate:x",
	}
}

// TestHostileNames: a listing leaves out names that would lead elsewhere, and
// gives those that are merely odd.
func TestHostileNames(t *testing.T) {
	paths := []string{"/base/", "/base/ab/"}
	for _, name := range hostileNames() {
		paths = append(paths, "/base/"+url.PathEscape(name), "/base/"+strings.ReplaceAll(url.PathEscape(name), "%2F", "/"))
	}
	odd := []string{"ab/sstate:a\nb", "ab/sstate:\x1b[2J", "ab/sstate:%2e%2e", "ab/sstate:\xff"}
	for _, name := range odd {
		paths = append(paths, "/base/"+strings.ReplaceAll(url.PathEscape(name), "%2F", "/"))
	}
	_, d := openFake(t, map[string]http.HandlerFunc{"PROPFIND": func(w http.ResponseWriter, r *http.Request) {
		short := paths[:0:0]
		for _, path := range paths {
			if len(path) < 60_000 { // a longer text is no listing at all
				short = append(short, path)
			}
		}
		folderAnswer(short...)(w, r)
	}})
	keys, err := listAll(t, d)
	if err != nil {
		t.Errorf("the listings end with %v", err)
	}
	for _, name := range odd {
		if !keys[remote.Key(name)] {
			t.Errorf("%q is missing", name)
		}
	}
	if _, _, err := d.Get(t.Context(), "../x", 0); !errors.Is(err, remote.ErrUnsupported) {
		t.Errorf("Get of a name outside = %v, want ErrUnsupported", err)
	}
}

// TestLongName: a name of a megabyte is an error, and costs no megabytes.
func TestLongName(t *testing.T) {
	_, d := openFake(t, map[string]http.HandlerFunc{"PROPFIND": folderAnswer("/base/", "/base/"+strings.Repeat("x", 1<<20))})
	if _, err := listAll(t, d); !errors.Is(err, remote.ErrUnavailable) || len(err.Error()) > 1000 {
		t.Errorf("the listings end with %.300v, want ErrUnavailable", err)
	}
}

// TestEndlessFolders: a server that has another folder in each folder is asked so
// often and no more.
func TestEndlessFolders(t *testing.T) {
	f, address := started(t, map[string]http.HandlerFunc{"PROPFIND": func(w http.ResponseWriter, r *http.Request) {
		folderAnswer(r.URL.Path, r.URL.Path+"aa/", r.URL.Path+"sstate:x")(w, r)
	}})
	d := mustOpen(t, address, remote.OpenOptions{Learned: f.shallow()})
	keys, err := listAll(t, d)
	if err != nil || len(keys) > depthLimit+1 {
		t.Errorf("%d names, %v, want at most %d", len(keys), err, depthLimit+1)
	}
	f.routes["PROPFIND"] = func(w http.ResponseWriter, r *http.Request) {
		folderAnswer(r.URL.Path, r.URL.Path+"aa/", r.URL.Path+"bb/")(w, r)
	}
	d.askedLimit = 200
	if _, err := listAll(t, d); !errors.Is(err, errEndless) {
		t.Errorf("the listings end with %v, want a bound", err)
	}
}

// TestWideFolder: a folder with more folders than any cache has is given up before
// they are asked for.
func TestWideFolder(t *testing.T) {
	f, address := started(t, map[string]http.HandlerFunc{"PROPFIND": func(w http.ResponseWriter, r *http.Request) {
		paths := []string{r.URL.Path}
		for i := range widthLimit + 1 {
			paths = append(paths, fmt.Sprintf("%s%x/", r.URL.Path, i))
		}
		folderAnswer(paths...)(w, r)
	}})
	d := mustOpen(t, address, remote.OpenOptions{Learned: f.shallow()})
	err := d.List(t.Context(), "", func(remote.Info) error { return nil })
	if !errors.Is(err, errEndless) {
		t.Errorf("List = %v, want a bound", err)
	}
}

// TestEndlessAnswer: an answer that goes on and on is given up.
func TestEndlessAnswer(t *testing.T) {
	_, d := openFake(t, map[string]http.HandlerFunc{"PROPFIND": func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Depth") == depthSelf {
			folderAnswer("/base/")(w, r)
			return
		}
		w.Header().Set("DAV", "1")
		w.WriteHeader(http.StatusMultiStatus)
		_, err := io.WriteString(w, "<multistatus>")
		for i := 0; err == nil && r.Context().Err() == nil; i++ {
			_, err = fmt.Fprintf(w, "<response><href>/base/ab/%d</href></response>", i)
		}
	}})
	d.answerLimit = 10_000
	if _, err := listAll(t, d); !errors.Is(err, errEndless) {
		t.Errorf("the listings end with %v, want a bound", err)
	}
}

// FuzzListing gives any answer to all listings: they end, with names that are fit
// for a path or an error, in bounded time and memory.
func FuzzListing(f *testing.F) {
	for _, text := range samples {
		f.Add(strings.ReplaceAll(text, "/a", "/base/a"))
	}
	for _, name := range hostileNames() {
		if len(name) < 1000 {
			f.Add("<multistatus><response><href>/base/" + strings.ReplaceAll(url.PathEscape(name), "%2F", "/") + "</href></response></multistatus>")
		}
	}
	f.Add("<multistatus><response><href>/base/</href></response><response><href>/base/ab/</href><propstat><prop><resourcetype><collection/></resourcetype></prop></propstat></response></multistatus>")
	const input, memory, limit = 16 << 10, 64 << 20, 50 * time.Second
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > input {
			return
		}
		server, d := openFake(t, nil)
		server.routes = map[string]http.HandlerFunc{"PROPFIND": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("DAV", "1")
			w.WriteHeader(http.StatusMultiStatus)
			_, _ = io.WriteString(w, text)
		}}
		d.askedLimit = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		_, _ = listAll(t, d) // most answers are errors
		runtime.ReadMemStats(&after)
		if took := time.Since(begun); took > limit {
			t.Errorf("took %v", took)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > memory {
			t.Errorf("%d bytes allocated", used)
		}
		d.client.pairs.CloseIdleConnections()
	})
}
