package ctl

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sstatefs/remote"
)

// What a mount's remote is asked at a time, by all commands together. Both kinds
// are bounded by themselves: a listing lasts while its reader asks for more.
const (
	remoteCalls   = 64
	remoteStreams = 64
)

// remoteServer answers for the remote of the mount.
type remoteServer struct {
	*Server
	remote  remote.Remote
	calls   chan struct{} // a slot each
	streams chan struct{} // a slot each
}

func (s *Server) remoteRoutes(mux *http.ServeMux, r remote.Remote) {
	if r == nil {
		return
	}
	rs := &remoteServer{
		Server: s, remote: r,
		calls: make(chan struct{}, remoteCalls), streams: make(chan struct{}, remoteStreams),
	}
	route := func(method, verb string, slots chan struct{}, handle http.HandlerFunc) {
		mux.HandleFunc(method+" /v1/remote/"+verb, within(slots, "too many commands use the remote of this mount at once", handle))
	}
	route("GET", verbFacts, rs.calls, rs.facts)
	route("POST", verbProbe, rs.calls, rs.probe)
	route("POST", verbExplore, rs.calls, rs.explore)
	route("GET", verbStat, rs.calls, rs.stat)
	route("POST", verbTouch, rs.calls, rs.touch)
	route("POST", verbDelete, rs.calls, rs.delete)
	route("POST", verbPut, rs.calls, rs.put)
	route("POST", verbAbort, rs.calls, rs.abort)
	route("GET", verbGet, rs.streams, rs.get)
	route("GET", verbList, rs.streams, rs.list)
	route("GET", verbFolders, rs.streams, rs.folders)
	route("GET", verbNames, rs.streams, rs.names)
	route("GET", verbLeftovers, rs.streams, rs.leftovers)
	route("GET", verbUploads, rs.streams, rs.uploads)
	route("GET", verbSweep, rs.streams, rs.sweep)
}

// within answers as long as there are slots. Who finds none is sent away at
// once, since a connection that waits is one less for short verbs.
func within(slots chan struct{}, full string, handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			handle(w, r)
		default:
			writeError(w, http.StatusServiceUnavailable, &Error{Kind: KindBusy, Message: full})
		}
	}
}

// question is what a request asks for.
type question struct{ url.Values }

func questionOf(r *http.Request) question { return question{r.URL.Query()} }

func (q question) key() remote.Key { return remote.Key(q.Get("key")) }

func (q question) number(name string) (int64, error) {
	n, err := strconv.ParseInt(q.Get(name), 10, 64)
	if err != nil {
		return 0, &Error{Kind: KindRequest, Message: "request: " + name + " is no number"}
	}
	return n, nil
}

func (q question) time() (time.Time, error) {
	t, err := parseTime(q.Get("time"))
	if err != nil {
		return t, &Error{Kind: KindRequest, Message: "request: time is no number"}
	}
	return t, nil
}

func (s *remoteServer) facts(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(context.Context, *answer) (any, error) { return factsOf(s.remote), nil })
}

func (s *remoteServer) probe(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, _ *answer) (any, error) {
		if p, ok := s.remote.(remote.Prober); ok {
			if err := p.Probe(ctx); err != nil {
				return nil, err
			}
		}
		return factsOf(s.remote), nil
	})
}

func (s *remoteServer) explore(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, _ *answer) (any, error) {
		if e, ok := s.remote.(remote.Explorer); ok {
			if err := e.Explore(ctx); err != nil {
				return nil, err
			}
		}
		return factsOf(s.remote), nil
	})
}

func (s *remoteServer) stat(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, a *answer) (any, error) {
		info, err := s.remote.Stat(ctx, questionOf(r).key())
		if err != nil {
			return nil, err
		}
		return done{}, a.info(info)
	})
}

func (s *remoteServer) touch(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, _ *answer) (any, error) {
		q := questionOf(r)
		t, err := q.time()
		if err != nil {
			return nil, err
		}
		return done{}, s.remote.Touch(ctx, q.key(), t)
	})
}

func (s *remoteServer) abort(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, _ *answer) (any, error) {
		uploads, ok := s.remote.(remote.UploadLister)
		if !ok {
			return nil, s.lacks("abort upload")
		}
		q := questionOf(r)
		return done{}, uploads.AbortUpload(ctx, q.key(), q.Get("id"))
	})
}

// delete takes a key a line.
func (s *remoteServer) delete(w http.ResponseWriter, r *http.Request) {
	text, err := readBody(w, r)
	var keys []remote.Key
	for line := range strings.Lines(text) {
		key, bad := unescaped(strings.TrimSuffix(line, "\n"))
		if bad != nil && err == nil {
			err = bad
		}
		keys = append(keys, key)
	}
	if err != nil { // also a client that died: half of what it meant is nothing
		writeError(w, http.StatusBadRequest, &Error{Kind: KindRequest, Message: "request: " + err.Error()})
		return
	}
	s.reply(w, r, func(ctx context.Context, _ *answer) (any, error) {
		return done{}, s.remote.Delete(ctx, keys...)
	})
}

// readBody reads the body of a request, which guard has limited.
func readBody(w http.ResponseWriter, r *http.Request) (string, error) {
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(readTimeout))
	text, err := io.ReadAll(r.Body)
	_ = conn.SetReadDeadline(time.Time{}) // or it would end the request in its midst
	return string(text), err
}

// done is the result of what has none.
type done struct{}

func (s *remoteServer) lacks(op string) error {
	return &remote.Error{Op: "mount: " + op, Kind: remote.ErrUnsupported}
}
