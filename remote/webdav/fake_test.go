package webdav

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"sstatefs/remote"
)

// A fake is a server that does what no real one would. It has the folder
// /base/, and nothing in it but what routes say: "METHOD path".
type fake struct {
	*httptest.Server
	routes map[string]http.HandlerFunc

	mu   sync.Mutex
	seen []string // requests, like routes
}

// folderAnswer is what a PROPFIND says of folders.
func folderAnswer(paths ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("DAV", "1")
		w.WriteHeader(http.StatusMultiStatus)
		fmt.Fprint(w, `<D:multistatus xmlns:D="DAV:">`)
		for _, path := range paths {
			kind := "<D:getcontentlength>1</D:getcontentlength><D:getlastmodified>Sat, 21 Nov 2026 09:01:21 GMT</D:getlastmodified>"
			if strings.HasSuffix(path, "/") {
				kind = "<D:resourcetype><D:collection/></D:resourcetype>"
			}
			fmt.Fprintf(w, "<D:response><D:href>%s</D:href><D:propstat><D:prop>%s</D:prop></D:propstat></D:response>", path, kind)
		}
		fmt.Fprint(w, `</D:multistatus>`)
	}
}

// status answers with a code and nothing else.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// page answers every request with a page, as a login does.
func page(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		fmt.Fprint(w, "<html><body>who are you?</body></html>")
	}
}

// redirect answers with a redirect.
func redirect(code int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(code)
	}
}

// file answers GET and HEAD with content, also in ranges.
func file(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", longAgo(), strings.NewReader(content))
	}
}

func newFake(t *testing.T, routes map[string]http.HandlerFunc) *fake {
	f := &fake{routes: routes}
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = nil
	t.Cleanup(f.Close)
	return f
}

// started is newFake over plain http, and the address of its folder.
func started(t *testing.T, routes map[string]http.HandlerFunc) (*fake, string) {
	f := newFake(t, routes)
	f.Start()
	return f, f.URL + "/base"
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Method + " " + r.URL.Path
	f.mu.Lock()
	f.seen = append(f.seen, name)
	f.mu.Unlock()
	answer := f.routes[name]
	if answer == nil {
		answer = f.routes[r.Method]
	}
	if answer == nil && name == "PROPFIND /base/" {
		answer = folderAnswer("/base/")
	}
	if answer == nil {
		answer = status(http.StatusNotFound)
	}
	answer(w, r)
}

// count tells how often something was asked.
func (f *fake) count(names ...string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range f.seen {
		if slices.Contains(names, name) {
			n++
		}
	}
	return n
}

// writes are the methods that change something.
func (f *fake) writes() (found []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range f.seen {
		if method, _, _ := strings.Cut(name, " "); !slices.Contains([]string{"GET", "HEAD", "OPTIONS", "PROPFIND"}, method) {
			found = append(found, name)
		}
	}
	return found
}

// able is a Learned line of a server that can do everything, so that nothing
// is tried.
func (f *fake) able() string {
	return f.learned(known{asked: true, deep: true, conditional: true, whole: true, exclusive: true, spares: true, fileDelete: true, touch: touchCopy})
}

// shallow is able without listings of whole trees.
func (f *fake) shallow() string {
	return f.learned(known{asked: true, conditional: true, whole: true, exclusive: true, spares: true, fileDelete: true, touch: touchCopy})
}

// learned is the line of a server that can do some things.
func (f *fake) learned(k known) string {
	at, _, err := parseAddress(f.URL + "/base")
	if err != nil {
		panic(err)
	}
	return k.line(fingerprint(at, http.Header{"Dav": {"1"}}))
}

func openFake(t *testing.T, routes map[string]http.HandlerFunc) (*fake, *DAV) {
	t.Helper()
	f, address := started(t, routes)
	return f, mustOpen(t, address, remote.OpenOptions{Learned: f.able()})
}
