package webdav

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// TestAnswers: every answer is of one kind, and its text is short.
func TestAnswers(t *testing.T) {
	tests := []struct {
		answer         http.HandlerFunc
		put, get, stat error
		words          string
	}{
		{status(401), remote.ErrPermission, remote.ErrPermission, remote.ErrPermission, "SSTATEFS_PASSWORD"},
		{status(403), remote.ErrPermission, remote.ErrPermission, remote.ErrPermission, "put ab/cd/sstate:x: 403 Forbidden"},
		{status(404), remote.ErrUnavailable, remote.ErrNotExist, remote.ErrNotExist, "vanishes"},
		{status(410), remote.ErrUnavailable, remote.ErrNotExist, remote.ErrNotExist, ""},
		{status(405), remote.ErrUnsupported, remote.ErrNotExist, remote.ErrNotExist, "405"},
		{status(412), remote.ErrExist, nil, nil, ""},
		{status(413), remote.ErrUnavailable, nil, nil, "limits the size"},
		{status(423), remote.ErrUnavailable, remote.ErrUnavailable, remote.ErrUnavailable, ""},
		{status(429), remote.ErrUnavailable, remote.ErrUnavailable, remote.ErrUnavailable, ""},
		{status(500), remote.ErrUnavailable, remote.ErrUnavailable, remote.ErrUnavailable, ""},
		{status(503), remote.ErrUnavailable, remote.ErrUnavailable, remote.ErrUnavailable, ""},
		{status(507), remote.ErrUnavailable, nil, nil, "507"},
		{redirect(302, "https://login.example/?token=secret"), remote.ErrUnavailable, nil, nil, "to login.example"},
	}
	for _, test := range tests {
		_, d := openFake(t, map[string]http.HandlerFunc{
			"PUT": test.answer, "GET": test.answer, "HEAD": test.answer, "MKCOL": status(405),
		})
		err := d.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true})
		if !errors.Is(err, test.put) || !strings.Contains(err.Error(), test.words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Put = %v, want %v with %q", err, test.put, test.words)
		}
		if full := errors.Is(err, syscall.ENOSPC); full != strings.Contains(err.Error(), "507") && full != strings.Contains(err.Error(), "413") {
			t.Errorf("Put = %v, full %t", err, full)
		}
		if test.get == nil {
			continue
		}
		if _, err := read(t, d, key); !errors.Is(err, test.get) {
			t.Errorf("Get = %v, want %v", err, test.get)
		}
		if _, err := d.Stat(t.Context(), key); !errors.Is(err, test.stat) {
			t.Errorf("Stat = %v, want %v", err, test.stat)
		}
	}
}

// sized announces a length of its own and then breaks off.
func sized(length, content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", length)
		w.Header().Set("Last-Modified", longAgo().Format(http.TimeFormat))
		_, _ = io.WriteString(w, content)
	}
}

// ranged answers with a part that it calls by any name.
func ranged(contentRange, content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, content)
	}
}

// TestWrongBodies: no answer that is wrong is taken for content.
func TestWrongBodies(t *testing.T) {
	tests := []struct {
		name   string
		get    http.HandlerFunc
		offset int64
		want   error
	}{
		{"short", sized("10", "short"), 0, remote.ErrUnavailable},
		{"other part", ranged("bytes 1-4/5", "whol"), 2, remote.ErrCorrupt},
		{"part of another size", ranged("bytes 2-4/9", "ole"), 2, remote.ErrCorrupt},
		{"part without name", ranged("", "ole"), 2, remote.ErrCorrupt},
		{"offset beyond what is given whole", sized("5", "whole"), 6, remote.ErrCorrupt},
		{"login page", page(200), 0, remote.ErrNotExist},
		{"no length", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, 0, remote.ErrNotExist},
	}
	for _, test := range tests {
		_, d := openFake(t, map[string]http.HandlerFunc{"GET": test.get, "HEAD": status(404)})
		body, _, err := d.Get(t.Context(), key, test.offset)
		if err == nil {
			_, err = io.ReadAll(body)
			_ = body.Close()
		}
		if !errors.Is(err, test.want) {
			t.Errorf("Get of an answer that is %s = %v, want %v", test.name, err, test.want)
		}
	}
	_, d := openFake(t, map[string]http.HandlerFunc{"GET": sized("5", "whole")})
	body, info, err := d.Get(t.Context(), key, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); string(got) != "ole" || err != nil || info.Size != 5 {
		t.Errorf("Get from a server without ranges = %q, %+v, %v", got, info, err)
	}
}

// TestResume: what ends early goes on where it ended, if it is the same. A
// connection that breaks is never content that is wrong.
func TestResume(t *testing.T) {
	content := string(remotetest.Pattern(3<<20, 1))
	for _, test := range []struct {
		then http.HandlerFunc
		want error
	}{
		{file(content), nil},
		{status(503), remote.ErrUnavailable},
		{file(content + "x"), errReplaced},
		{status(412), errReplaced},
		{func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"1"`)
			sized("3145728", content[:1<<20])(w, r)
		}, remote.ErrUnavailable},
		{func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, remote.ErrUnavailable},
	} {
		requests := 0
		_, d := openFake(t, map[string]http.HandlerFunc{"GET": func(w http.ResponseWriter, r *http.Request) {
			if requests++; requests > 1 {
				test.then(w, r)
				return
			}
			w.Header().Set("ETag", `"1"`)
			sized("3145728", content[:1<<20])(w, r)
		}})
		g := remote.NewGuard(d, remote.GuardOptions{RetryDelay: time.Millisecond})
		var got []byte
		body, _, err := g.Get(t.Context(), key, 0)
		if err == nil {
			got, err = io.ReadAll(body)
			_ = body.Close()
		}
		if test.want == nil && (err != nil || !bytes.Equal(got, []byte(content))) || !errors.Is(err, test.want) {
			t.Errorf("Get = %d bytes, %v, want %v", len(got), err, test.want)
		}
	}
}

// TestCutListing: what a server gives up is asked for again, and nothing comes
// twice.
func TestCutListing(t *testing.T) {
	whole := folderAnswer("/base/ab/", "/base/ab/sstate:1", "/base/ab/sstate:2", "/base/ab/cd/")
	requests := 0
	_, d := openFake(t, map[string]http.HandlerFunc{
		"PROPFIND /base/ab/": func(w http.ResponseWriter, r *http.Request) {
			if requests++; requests < 4 {
				folderAnswer("/base/ab/", "/base/ab/sstate:1")(w, r)
				_, _ = io.WriteString(w, "Internal Server Error")
				return
			}
			whole(w, r)
		},
		"PROPFIND /base/ab/cd/": folderAnswer("/base/ab/cd/", "/base/ab/cd/sstate:3"),
	})
	var got []string
	err := d.List(t.Context(), "ab", func(info remote.Info) error {
		got = append(got, string(info.Key))
		return nil
	})
	if want := "ab/sstate:1 ab/sstate:2 ab/cd/sstate:3"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("List = %q, %v, want %q", got, err, want)
	}
}

// TestListingOfFailingFolder: a server that fails to tell one folder of many for
// a moment is asked again, for that folder only.
func TestListingOfFailingFolder(t *testing.T) {
	list := func(d *DAV) (n int, err error) {
		err = d.List(t.Context(), "", func(remote.Info) error { n++; return nil })
		return n, err
	}
	sweep := func(d *DAV) (n int, err error) {
		err = d.Sweep(t.Context(), func(_ string, files []remote.Info) error { n += len(files); return nil })
		return n, err
	}
	for _, test := range []struct {
		failures int
		learned  func(*fake) string
		list     func(d *DAV) (n int, err error)
		want     error
	}{
		{failTries - 1, (*fake).shallow, list, nil},
		{failTries - 1, (*fake).shallow, sweep, nil},
		{failTries, (*fake).shallow, list, remote.ErrUnavailable},
		{failTries, (*fake).shallow, sweep, remote.ErrUnavailable},
		{failTries, (*fake).able, list, nil}, // the tree, then the folder
		{failTries + 1, (*fake).able, list, remote.ErrUnavailable},
	} {
		requests := 0
		f, address := started(t, map[string]http.HandlerFunc{
			"PROPFIND /base/": folderAnswer("/base/", "/base/ab/", "/base/cd/"),
			"PROPFIND /base/ab/": func(w http.ResponseWriter, r *http.Request) {
				if requests++; requests <= test.failures {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				folderAnswer("/base/ab/", "/base/ab/sstate:2")(w, r)
			},
			"PROPFIND /base/cd/": folderAnswer("/base/cd/", "/base/cd/sstate:1"),
		})
		d := mustOpen(t, address, remote.OpenOptions{Learned: test.learned(f)})
		n, err := test.list(d)
		if !errors.Is(err, test.want) || test.want == nil && (err != nil || n != 2) {
			t.Errorf("after %d failures: %d objects, %v, want %v", test.failures, n, err, test.want)
		}
		if n := f.count("PROPFIND /base/cd/"); n != 1 && test.want == nil {
			t.Errorf("after %d failures: another folder was asked for %d times, want once", test.failures, n)
		}
	}
}

// TestForeignListing: a page is no empty folder.
func TestForeignListing(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"page":     page(200),
		"207 page": page(207),
		"error":    status(500),
		"cut always": func(w http.ResponseWriter, r *http.Request) {
			folderAnswer("/base/ab/")(w, r)
			_, _ = io.WriteString(w, "no")
		},
	} {
		_, d := openFake(t, map[string]http.HandlerFunc{"PROPFIND /base/ab/": answer})
		err := d.List(t.Context(), "ab", func(remote.Info) error { return nil })
		if !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("List of a folder that is a %s = %v, want %v", name, err, remote.ErrUnavailable)
		}
		err = d.Folders(t.Context(), "ab", func(remote.Folder) error { return nil })
		if !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("Folders of a folder that is a %s = %v, want %v", name, err, remote.ErrUnavailable)
		}
	}
}

// TestSparseListing: what an entry does not tell is asked for.
func TestSparseListing(t *testing.T) {
	f, d := openFake(t, map[string]http.HandlerFunc{
		"PROPFIND /base/ab/": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusMultiStatus)
			_, _ = io.WriteString(w, `<multistatus><response><href>/base/ab/</href></response>`+
				`<response><href>/base/ab/sstate:1</href></response><response><href>/base/ab/sstate:gone</href></response></multistatus>`)
		},
		"HEAD /base/ab/sstate:1": file("content"),
	})
	var got []remote.Info
	err := d.List(t.Context(), "ab", func(info remote.Info) error {
		got = append(got, info)
		return nil
	})
	if err != nil || len(got) != 1 || got[0].Size != 7 || !got[0].ModTime.Equal(longAgo()) {
		t.Errorf("List = %+v, %v, want one object of 7 bytes", got, err)
	}
	if n := f.count("HEAD /base/ab/sstate:1"); n != 1 {
		t.Errorf("%d HEADs, want 1", n)
	}
}

// TestFolderFirst: a body that is not small is not sent into a folder that may
// be missing, unless a listing has shown it.
func TestFolderFirst(t *testing.T) {
	routes := map[string]http.HandlerFunc{"PUT": status(201), "MKCOL": status(405),
		"PROPFIND /base/ab/": folderAnswer("/base/ab/", "/base/ab/cd/")}
	for _, test := range []struct {
		size   int
		listed bool
		mkcols int
	}{{10, false, 0}, {bodyLimit + 1, false, 1}, {bodyLimit + 1, true, 0}} {
		f, d := openFake(t, routes)
		if test.listed {
			if err := d.Folders(t.Context(), "ab", func(remote.Folder) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			put(t, d, key, make([]byte, test.size), remote.PutOptions{Create: true})
		}
		if n := f.count("MKCOL /base/ab/cd/"); n != test.mkcols {
			t.Errorf("%+v: %d MKCOL, want %d", test, n, test.mkcols)
		}
	}
}
