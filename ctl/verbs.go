package ctl

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.session.Status())
}

func (s *Server) stats(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.session.store.Stats())
}

func (s *Server) flush(w http.ResponseWriter, r *http.Request) {
	var o FlushRequest
	if !decode(w, r, &o) {
		return
	}
	if o.Timeout == 0 {
		o.Timeout = Duration(DefaultFlush)
	}
	stream(w, r, func(ctx context.Context, progress func(Progress)) (any, error) {
		return s.session.Flush(ctx, time.Duration(o.Timeout), progress)
	})
}

func (s *Server) refresh(w http.ResponseWriter, r *http.Request) {
	stream(w, r, func(ctx context.Context, _ func(Progress)) (any, error) {
		return s.session.store.Refresh(ctx)
	})
}

func (s *Server) unmount(w http.ResponseWriter, r *http.Request) {
	var o UnmountRequest
	if !decode(w, r, &o) {
		return
	}
	switch o.Busy {
	case BusyRefuse, BusyLazy, BusyForce:
	case "":
		o.Busy = BusyRefuse
	default:
		writeError(w, http.StatusBadRequest, &Error{
			Kind: KindRequest, Message: fmt.Sprintf("request: busy is %q", o.Busy),
		})
		return
	}
	stream(w, r, func(ctx context.Context, progress func(Progress)) (any, error) {
		result, err := s.session.Unmount(ctx, o, progress)
		if result.Ended {
			// Before the answer: whoever reads it may mount again at once.
			s.retire()
		}
		return result, err
	})
}
