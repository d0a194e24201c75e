package webdav

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// changes are the writes that a fake has seen, without what is random.
func (f *fake) changes() (found []string) {
	for _, name := range f.writes() {
		found = append(found, plainName(name))
	}
	return found
}

// TestTouchKeepsNewName: a server that calls every name new loses no object by a
// touch.
func TestTouchKeepsNewName(t *testing.T) {
	f, d := openFake(t, map[string]http.HandlerFunc{"HEAD": file("x"), "COPY": status(201), "MOVE": status(201), "DELETE": status(204)})
	if err := d.Touch(t.Context(), key, time.Time{}); err != nil {
		t.Errorf("Touch = %v", err)
	}
	if n := f.count("DELETE /base/" + string(key)); n > 0 {
		t.Error("the object is removed")
	}
}

// TestTouchAndReplacement: a touch that has copied an object for long leaves
// alone what was made of it meanwhile.
func TestTouchAndReplacement(t *testing.T) {
	for name, test := range map[string]struct {
		now  http.HandlerFunc
		want error
	}{
		"replaced": {file("new content"), nil},
		"removed":  {status(404), remote.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			var copied atomic.Bool
			f, d := openFake(t, map[string]http.HandlerFunc{
				"COPY": func(w http.ResponseWriter, _ *http.Request) {
					copied.Store(true)
					w.WriteHeader(http.StatusCreated)
				},
				"HEAD": func(w http.ResponseWriter, r *http.Request) {
					if copied.Load() {
						test.now(w, r)
						return
					}
					file("old")(w, r)
				},
				"MOVE": status(204), "DELETE": status(204),
			})
			if err := d.Touch(t.Context(), key, time.Time{}); !errors.Is(err, test.want) {
				t.Errorf("Touch = %v, want %v", err, test.want)
			}
			if got, want := f.changes(), []string{"COPY /base/" + string(key), "DELETE /base/ab/cd/TMP"}; !slices.Equal(got, want) {
				t.Errorf("the server is asked for %q, want %q", got, want)
			}
		})
	}
}

// TestLostMove: a MOVE without an answer whose temporary is gone is believed
// only if the object is there, of its size.
func TestLostMove(t *testing.T) {
	put := func(opt remote.PutOptions) func(t *testing.T, d *DAV) error {
		return func(t *testing.T, d *DAV) error { return d.Put(t.Context(), key, remotetest.Bytes("x"), opt) }
	}
	touch := func(t *testing.T, d *DAV) error { return d.Touch(t.Context(), key, time.Time{}) }
	for way, test := range map[string]struct {
		pairs  bool
		before bool // the object is there
		change func(t *testing.T, d *DAV) error
	}{
		"pair":    {true, false, put(remote.PutOptions{Create: true})},
		"create":  {false, false, put(remote.PutOptions{Create: true})},
		"replace": {false, true, put(remote.PutOptions{})},
		"refresh": {false, true, put(remote.PutOptions{Refresh: true})},
		"touch":   {false, true, touch},
	} {
		for name, after := range map[string]struct {
			object http.HandlerFunc
			root   bool
			want   error
		}{
			"moved":        {file("x"), true, nil},
			"nothing left": {status(404), true, remote.ErrUnavailable},
			"another":      {file("another"), true, remote.ErrUnavailable},
			"not mounted":  {status(404), false, remote.ErrUnavailable},
		} {
			t.Run(way+" "+name, func(t *testing.T) {
				var lost atomic.Bool
				_, d := openFake(t, map[string]http.HandlerFunc{
					"PUT": status(201), "COPY": status(201), "DELETE": status(204),
					"MOVE": func(http.ResponseWriter, *http.Request) {
						lost.Store(true)
						panic(http.ErrAbortHandler)
					},
					"HEAD": func(w http.ResponseWriter, r *http.Request) {
						switch {
						case lost.Load():
							after.object(w, r)
						case test.before:
							file("x")(w, r)
						default:
							w.WriteHeader(http.StatusNotFound)
						}
					},
					"PROPFIND /base/": func(w http.ResponseWriter, r *http.Request) {
						if lost.Load() && !after.root {
							w.WriteHeader(http.StatusNotFound)
							return
						}
						folderAnswer("/base/")(w, r)
					},
				})
				k := d.knows()
				k.pairs, k.whole = test.pairs, false
				d.known.Store(&k)
				if err := test.change(t, d); !errors.Is(err, after.want) {
					t.Errorf("err = %v, want %v", err, after.want)
				}
				if !lost.Load() {
					t.Error("no MOVE was sent")
				}
			})
		}
	}
}

// TestOddMove: a MOVE is done by the answers that RFC 4918 has for that
// (section 9.9.4), and by no other of 2xx.
func TestOddMove(t *testing.T) {
	for _, pairs := range []bool{true, false} {
		for code, want := range map[int]error{200: nil, 201: nil, 204: nil, 202: remote.ErrUnavailable, 207: remote.ErrUnavailable} {
			f, d := openFake(t, map[string]http.HandlerFunc{"PUT": status(201), "MOVE": status(code), "DELETE": status(204)})
			k := d.knows()
			k.pairs, k.whole = pairs, false
			d.known.Store(&k)
			err := d.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true})
			if !errors.Is(err, want) {
				t.Errorf("Put with %d to its MOVE, as a pair: %t, = %v, want %v", code, pairs, err, want)
			}
			if tidied := strings.Contains(strings.Join(f.changes(), " "), "DELETE /base/ab/cd/TMP"); tidied != (want != nil) {
				t.Errorf("%d: the temporary is removed: %t", code, tidied)
			}
		}
	}
}
