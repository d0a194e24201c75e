package webdav

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// TestFolderGoesAlong: the MKCOL of a folder that is missing goes over the
// connection of the pair that follows, in one round trip.
func TestFolderGoesAlong(t *testing.T) {
	s, d := openShelf(t, nil)
	d.folders.listed("")
	d.folders.listed("ab")
	for folder, size := range map[string]int{"ab/01": 1, "ab/02": leadLimit, "ab/03": leadLimit + 1} {
		put(t, d, remote.Key(folder+"/x"), make([]byte, size), remote.PutOptions{Create: true})
		s.mu.Lock()
		if along := s.from["MKCOL"] == s.from["PUT"]; s.from["MKCOL"] == "" || along != (size <= leadLimit) {
			t.Errorf("with %d bytes the MKCOL goes along: %t, connections are %v", size, along, s.from)
		}
		s.mu.Unlock()
	}
}

// TestLeadIsRefused: whatever a server says of the folder, the PUT decides.
func TestLeadIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(s *shelf, w http.ResponseWriter) bool // for the first MKCOL
		want   error
		asks   []string
	}{
		"closes": {
			change: func(s *shelf, w http.ResponseWriter) bool { w.Header().Set("Connection", "close"); return false },
			asks:   []string{"MKCOL /base/ab/cd/", "DELETE /base/ab/cd/TMP", "PUT /base/ab/cd/TMP"},
		},
		"refuses and closes": {
			change: func(s *shelf, w http.ResponseWriter) bool {
				w.Header().Set("Connection", "close")
				w.WriteHeader(http.StatusInsufficientStorage)
				return true
			},
			asks: []string{"MKCOL /base/ab/cd/", "DELETE /base/ab/cd/TMP", "PUT /base/ab/cd/TMP",
				"MKCOL /base/ab/cd/", "PUT /base/ab/cd/TMP"},
		},
		"another was quicker": {
			change: func(s *shelf, w http.ResponseWriter) bool {
				s.names["/base/ab/cd/"] = true
				w.WriteHeader(http.StatusForbidden)
				return true
			},
			asks: []string{"MKCOL /base/ab/cd/", "PUT /base/ab/cd/TMP"},
		},
		"no parent any more": {
			change: func(s *shelf, w http.ResponseWriter) bool { delete(s.names, "/base/ab/"); return false },
			asks: []string{"MKCOL /base/ab/cd/", "PUT /base/ab/cd/TMP", "MKCOL /base/ab/cd/",
				"MKCOL /base/ab/", "MKCOL /base/ab/cd/", "PUT /base/ab/cd/TMP"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s *shelf
			first := true
			s, d := openShelf(t, func(name string, w http.ResponseWriter) bool {
				if !first || name != "MKCOL /base/ab/cd/" {
					return false
				}
				first = false
				return test.change(s, w)
			})
			d.folders.listed("")
			d.folders.listed("ab")
			err := d.Put(t.Context(), "ab/cd/x", remotetest.Bytes("content"), remote.PutOptions{Create: true})
			if !errors.Is(err, test.want) {
				t.Errorf("Put = %v, want %v", err, test.want)
			}
			wantAsked(t, s, "a put", test.asks...)
			if s.mu.Lock(); !s.names["/base/ab/cd/x"] {
				t.Errorf("the object is not there: %v", s.names)
			}
			s.mu.Unlock()
		})
	}
}

// TestLeadIsForbidden: no folder, no object, and the error says why.
func TestLeadIsForbidden(t *testing.T) {
	_, d := openShelf(t, func(name string, w http.ResponseWriter) bool {
		if strings.HasPrefix(name, "MKCOL") {
			w.WriteHeader(http.StatusForbidden)
		}
		return strings.HasPrefix(name, "MKCOL")
	})
	d.folders.listed("")
	d.folders.listed("ab")
	var all sync.WaitGroup
	for range 2 { // the second is not kept out by the first
		all.Go(func() {
			err := d.Put(t.Context(), "ab/cd/x", remotetest.Bytes("content"), remote.PutOptions{Create: true})
			if !errors.Is(err, remote.ErrPermission) {
				t.Errorf("Put = %v, want %v", err, remote.ErrPermission)
			}
		})
	}
	all.Wait()
}
