package s3

import (
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sstatefs/remote"
)

// A fake is a small object store whose answers a test can change.
type fake struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string][]byte
	counts  map[string]int // requests by method
	// instead answers a request in place of the fake if it is true.
	instead func(w http.ResponseWriter, r *http.Request) bool
}

func newFake(t *testing.T) *fake {
	f := &fake{objects: make(map[string][]byte), counts: make(map[string]int)}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) address() string { return "s3://bucket/root?endpoint=" + f.URL }

// set changes the answers from now on.
func (f *fake) set(instead func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instead = instead
}

func (f *fake) count(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[method]
}

func (f *fake) open(t *testing.T, o remote.OpenOptions) *Bucket {
	t.Helper()
	return mustOpen(t, f.address(), o)
}

// known opens the fake without a probe.
func (f *fake) known(t *testing.T) *Bucket {
	t.Helper()
	return f.open(t, remote.OpenOptions{Known: true, Learned: facts{create: true, complete: true, copies: copySelf, removes: true}.String()})
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.counts[r.Method]++
	instead := f.instead
	f.mu.Unlock()
	if instead != nil && instead(w, r) {
		return
	}
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/bucket"), "/")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.Method == http.MethodGet && name == "" && r.URL.Query().Has("list-type"):
		f.list(w, r)
	case r.Method == http.MethodPut && r.URL.RawQuery == "x-id=PutObject":
		f.put(w, r, name, body)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		f.get(w, r, name)
	case r.Method == http.MethodDelete:
		delete(f.objects, name)
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Query().Has("delete"):
		f.delete(w, body)
	default:
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	}
}

// refuse answers with an error as S3 does.
func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>this is %s</Message></Error>", code, code)
}

func tagFor(content []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(content)) }

func (f *fake) put(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	old, there := f.objects[name]
	match := r.Header.Get("If-Match")
	if there && r.Header.Get("If-None-Match") == "*" || match != "" && match != tagFor(old) {
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	f.objects[name] = body
	w.Header().Set("ETag", tagFor(body))
}

func (f *fake) get(w http.ResponseWriter, r *http.Request, name string) {
	content, there := f.objects[name]
	if !there {
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	w.Header().Set("ETag", tagFor(content))
	http.ServeContent(w, r, "", time.Now(), strings.NewReader(string(content)))
}

func (f *fake) delete(w http.ResponseWriter, body []byte) {
	var in struct {
		Object []struct{ Key string }
	}
	if err := xml.Unmarshal(body, &in); err != nil {
		refuse(w, http.StatusBadRequest, "MalformedXML")
		return
	}
	for _, o := range in.Object {
		delete(f.objects, o.Key)
	}
	fmt.Fprint(w, "<DeleteResult/>")
}

// list gives pages of at most max-keys names, folders counted.
func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil {
		limit = 1000
	}
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	after := max(q.Get("continuation-token"), q.Get("start-after"))
	var names []string
	for name := range f.objects {
		if rest, below := strings.CutPrefix(name, prefix); below && name > after {
			if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
				name = prefix + rest[:i+1]
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	fmt.Fprintf(w, "<ListBucketResult><IsTruncated>%t</IsTruncated>", len(names) > limit)
	if len(names) > limit {
		names = names[:limit]
		fmt.Fprintf(w, "<NextContinuationToken>%s</NextContinuationToken>", names[limit-1]+strings.Repeat("\uffff", len(delimiter)))
	}
	for _, name := range names {
		if delimiter != "" && strings.HasSuffix(name, delimiter) {
			fmt.Fprintf(w, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", name)
			continue
		}
		fmt.Fprintf(w, "<Contents><Key>%s</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><Size>%d</Size></Contents>",
			name, len(f.objects[name]))
	}
	fmt.Fprint(w, "</ListBucketResult>")
}
