package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"sstatefs/remote"
	"sstatefs/store"
)

// Limits of the server. A client that goes beyond them is no command of ours.
const (
	connectionLimit = 192              // open at a time
	listenerLimit   = 32               // of those, following events; remoteCalls and remoteStreams ask the remote: short verbs must still get through
	longVerbs       = 16               // of those, flushing, refreshing, trimming, fetching
	bodyLimit       = 64 << 10         // bytes of a request
	readTimeout     = 5 * time.Second  // for the header, and again for the body
	restTimeout     = time.Second      // for what is left of a body that no verb wants
	idleTimeout     = 30 * time.Second // of a connection between two requests
	shortVerb       = 5 * time.Second  // to answer status and stats
	writeTimeout    = 10 * time.Second // for one line of a stream
	closeTimeout    = 5 * time.Second  // for verbs under way when the server closes
)

// DefaultFlush is the longest wait of the verb flush when none is asked for.
const DefaultFlush = 5 * time.Minute

// Listener follows the events of a store. A store.Listener is one.
type Listener interface {
	C() <-chan store.Event
	Lost() (store.Event, bool)
	Close()
}

// ServerOptions configures a Server.
type ServerOptions struct {
	Session *Session
	Claim   *Claim                    // says where the socket is; the Server releases it
	Listen  func(buffer int) Listener // of the store's events
	Remote  remote.Remote             // the store's, for commands that look after it; nil for none
	Logger  *slog.Logger              // nil discards
}

// Server answers commands for one mount.
type Server struct {
	session   *Session
	claim     *Claim
	listen    func(buffer int) Listener
	log       *slog.Logger
	http      *http.Server
	listeners chan struct{} // a slot each
	stopping  chan struct{} // closed when streams without an end must end
	wg        sync.WaitGroup
	stop      func()
	retire    func()
}

// Serve makes the socket of o.Claim and answers on it until Close.
func Serve(o ServerOptions) (*Server, error) {
	listener, err := listen(o.Claim.socket)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		session: o.Session, claim: o.Claim, listen: o.Listen, log: log,
		listeners: make(chan struct{}, listenerLimit), stopping: make(chan struct{}),
	}
	s.http = &http.Server{
		Handler:           s.guard(s.routes(o.Remote)),
		ReadHeaderTimeout: readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    bodyLimit,
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	limited := newLimitListener(listener, connectionLimit)
	s.http.ConnState = limited.observe
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	s.retire = sync.OnceFunc(func() {
		os.Remove(o.Claim.socket) // before the claim, or it could be the next daemon's
		_ = limited.Close()
		o.Claim.Release()
	})
	s.wg.Go(func() { s.serve(limited) })
	return s, nil
}

func (s *Server) serve(l net.Listener) {
	err := s.http.Serve(l)
	if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.log.Error("control socket stopped", "error", err)
	}
}

// Close removes the socket and waits for the verbs under way, a few seconds at
// most. It is idempotent.
func (s *Server) Close() error {
	s.stop()
	s.retire()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	s.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) routes(r remote.Remote) http.Handler {
	late := `{"error":{"kind":"unreachable","message":"the mount is too busy to answer"}}`
	short := func(h http.HandlerFunc) http.Handler {
		return http.TimeoutHandler(h, shortVerb, late)
	}
	slots := make(chan struct{}, longVerbs)
	long := func(h http.HandlerFunc) http.HandlerFunc {
		return within(slots, "too many commands wait for this mount at once", h)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /v1/status", short(s.status))
	mux.Handle("GET /v1/stats", short(s.stats))
	mux.Handle("GET /v1/misses", short(s.misses))
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("POST /v1/flush", long(s.flush))
	mux.HandleFunc("POST /v1/refresh", long(s.refresh))
	mux.HandleFunc("POST /v1/trim", long(s.trim))
	mux.HandleFunc("POST /v1/fetch", long(s.fetch))
	mux.HandleFunc("POST /v1/unmount", s.unmount)
	s.remoteRoutes(mux, r)
	return mux
}

type peerKey struct{}

// withPeer notes who connected, -1 if the kernel does not say.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	uid := -1
	if c, ok := conn.(*limitConn); ok {
		if peer, err := peerUID(c.UnixConn); err == nil {
			uid = peer
		}
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// bound sees to it that a client that does not read keeps its connection for a
// while only; verbs that write more set their own times. The function it returns
// does the same for one that does not send the body it announced, which the
// server reads before it takes the next request.
func bound(w http.ResponseWriter) (end func()) {
	conn := http.NewResponseController(w)
	_ = conn.SetWriteDeadline(time.Now().Add(shortVerb + writeTimeout))
	return func() { _ = conn.SetReadDeadline(time.Now().Add(restTimeout)) }
}

// guard answers the mount's user and root only, and bounds what they send.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer bound(w)()
		uid, ok := r.Context().Value(peerKey{}).(int)
		if !ok || (uid != 0 && uid != s.claim.info.UID) {
			w.Header().Set("Connection", "close")
			writeError(w, http.StatusForbidden, &Error{
				Kind:    KindDenied,
				Message: fmt.Sprintf("%s: the mount belongs to user %d", s.claim.info.Mountpoint, s.claim.info.UID),
			})
			return
		}
		s.log.Debug("control request", "method", r.Method, "path", r.URL.Path, "uid", uid)
		if limit := limitOf(r.URL.Path); limit > 0 {
			r.Body = http.MaxBytesReader(w, r.Body, limit)
		}
		next.ServeHTTP(w, r)
	})
}

// limitOf bounds the body of a request, in bytes; 0 is no limit.
func limitOf(path string) int64 {
	switch path {
	case "/v1/remote/" + verbPut:
		return 0 // its size is in the query
	case "/v1/remote/" + verbDelete:
		return deleteLimit
	}
	return bodyLimit
}

// decode reads the body of a request, which may be empty.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(readTimeout))
	err := json.NewDecoder(r.Body).Decode(into)
	_ = conn.SetReadDeadline(time.Time{}) // or it would end the request in its midst
	if err == nil || errors.Is(err, io.EOF) {
		return true
	}
	writeError(w, http.StatusBadRequest, &Error{Kind: KindRequest, Message: "request: " + err.Error()})
	return false
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails when the client is gone: nobody to tell
}

func writeError(w http.ResponseWriter, status int, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(line{Error: e}) // as in writeJSON
}
