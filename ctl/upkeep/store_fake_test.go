package upkeep_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// objectStore is an S3 server that can only list and delete, in microseconds:
// a real one needs minutes to delete what clean deletes. It counts nothing.
type objectStore struct {
	*httptest.Server
	used time.Time // when all objects were

	mu    sync.Mutex
	names []string // sorted
	gone  map[string]bool
}

func newObjectStore(t *testing.T, names []string, age time.Duration) *objectStore {
	slices.Sort(names)
	s := &objectStore{used: time.Now().Add(-age).UTC(), names: names, gone: make(map[string]bool)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// address is that of its bucket behind a proxy.
func (s *objectStore) address(endpoint string) string {
	return "s3://sstate?path_style=true&region=us-east-1&endpoint=" + endpoint
}

func (s *objectStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	switch {
	case query.Has("uploads"):
		fmt.Fprint(w, `<ListMultipartUploadsResult></ListMultipartUploadsResult>`)
	case query.Has("list-type"):
		s.list(w, query.Get("continuation-token"))
	case query.Has("delete"):
		s.delete(w, body)
	case r.Method == http.MethodDelete:
		_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		s.gone[name] = true
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotImplemented)
	}
}

// pageLength is how many names one answer has, the limit of S3.
const pageLength = 1000

func (s *objectStore) list(w io.Writer, after string) {
	i, found := slices.BinarySearch(s.names, after)
	if found {
		i++
	}
	fmt.Fprint(w, `<ListBucketResult>`)
	last, more := "", false
	for n := 0; i < len(s.names) && !more; i++ {
		if name := s.names[i]; !s.gone[name] {
			fmt.Fprintf(w, `<Contents><Key>%s</Key><Size>1</Size><LastModified>%s</LastModified></Contents>`,
				name, s.used.Format(time.RFC3339))
			last = name
			n++
		}
		more = n == pageLength
	}
	fmt.Fprintf(w, `<IsTruncated>%v</IsTruncated><NextContinuationToken>%s</NextContinuationToken></ListBucketResult>`, more, last)
}

func (s *objectStore) delete(w http.ResponseWriter, body []byte) {
	var wanted struct{ Object []struct{ Key string } }
	if xml.Unmarshal(body, &wanted) != nil || len(wanted.Object) > pageLength {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, o := range wanted.Object {
		s.gone[o.Key] = true
	}
	fmt.Fprint(w, `<DeleteResult></DeleteResult>`)
}
