package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/store"
)

func TestShortVerbs(t *testing.T) {
	m := serveFakes(t)
	status, err := m.client.Status(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if status.Mount.PID != os.Getpid() || status.Mount.Phase != PhaseMounted || status.Remote.State != store.StateOK {
		t.Errorf("Status() = %+v", status)
	}
	stats, err := m.client.Stats(testContext(t))
	if err != nil || stats.Lookups.Hit != 7 {
		t.Errorf("Stats() = %+v, %v, want 7 hits", stats, err)
	}
}

// The keys that scripts read.
func TestStatusKeys(t *testing.T) {
	m := serveFakes(t)
	text, err := json.Marshal(m.session.Status())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		`"mount":{"mountpoint":"/mnt/sstate"`, `"pid":`, `"phase":"mounted"`, `"passthrough":true`,
		`"uptime_seconds":`, `"remote":{"url":`, `"state":"ok"`, `"queue":{`, `"index":{`,
	} {
		if !strings.Contains(string(text), key) {
			t.Errorf("status lacks %s: %s", key, text)
		}
	}
}

func TestStreamedVerbs(t *testing.T) {
	m := serveFakes(t)
	index, err := m.client.Refresh(testContext(t))
	if err != nil || index.Objects != 12 || !index.Complete {
		t.Errorf("Refresh() = %+v, %v", index, err)
	}
	trimmed, err := m.client.Trim(testContext(t))
	if err != nil || trimmed.Removed.Objects != 2 {
		t.Errorf("Trim() = %+v, %v", trimmed, err)
	}
	if trimmed.Verified != nil {
		t.Errorf("Trim() verified: %+v", trimmed.Verified)
	}
	trimmed, err = m.client.TrimVerified(testContext(t), func(store.VerifyResult) {})
	if err != nil || trimmed.Removed.Objects != 2 || trimmed.Verified.Damaged.Objects != 1 {
		t.Errorf("TrimVerified() = %+v, %v", trimmed, err)
	}
}

func TestFlushTellsProgressAndTheResult(t *testing.T) {
	m := serveFakes(t)
	seen := make(chan Progress, 100)
	left, err := m.client.Flush(testContext(t), time.Hour, func(p Progress) {
		if len(seen) == 0 {
			close(m.store.sent)
		}
		seen <- p
	})
	if err != nil || left.Objects != 0 {
		t.Errorf("Flush() = %+v, %v, want nothing left", left, err)
	}
	if p := <-seen; p.Queue.Objects != 3 {
		t.Errorf("progress = %+v, want 3 objects", p)
	}
}

func TestFlushEndsWithItsTimeout(t *testing.T) {
	m := serveFakes(t)
	left, err := m.client.Flush(testContext(t), 10*time.Millisecond, nil)
	if err != nil || left.Objects != 3 {
		t.Errorf("Flush() = %+v, %v, want 3 objects left and no error", left, err)
	}
}

func TestRefreshOfAnOfflineRemoteKeepsItsKind(t *testing.T) {
	m := serveFakes(t)
	m.store.refresh = &remote.Error{Op: "file: list", Kind: remote.ErrUnavailable}
	_, err := m.client.Refresh(testContext(t))
	if !IsKind(err, KindRemote) || err.Error() != "file: list: remote unavailable" {
		t.Errorf("Refresh() = %v, want KindRemote", err)
	}
}

func TestEventsEndWithTheServer(t *testing.T) {
	m := serveFakes(t)
	got := make(chan string, 8)
	ended := make(chan error, 1)
	go func() {
		ended <- m.client.Events(testContext(t), nil, func(event []byte) error {
			got <- string(event)
			return nil
		})
	}()
	m.listener.events <- store.Event{Kind: store.EventMiss, Key: "ab/cd/x"}
	if event := <-got; !strings.Contains(event, `"event":"miss"`) {
		t.Errorf("event = %s", event)
	}
	if err := m.server.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Events() = %v after the end of the mount, want nil", err)
	}
	<-m.listener.closed
}

// Who was too slow is told so although nothing happens any more, and what
// happened before the end is told too.
func TestEventsTellWhatWasLost(t *testing.T) {
	m := serveFakes(t)
	m.listener.lost.Store(7)
	var got []string
	err := m.client.Events(testContext(t), nil, func(event []byte) error {
		got = append(got, string(event))
		if len(got) == 1 { // the heartbeat brought it
			m.listener.lost.Store(5)
			m.listener.events <- store.Event{Kind: store.EventSend}
			m.server.stop()
		}
		return nil
	})
	if all := strings.Join(got, " "); err != nil || len(got) != 3 || !strings.Contains(got[0], `"count":7`) ||
		!strings.Contains(got[1], `"send"`) || !strings.Contains(got[2], `"count":5`) {
		t.Errorf("Events() = %v with %s, want lost 7, send and lost 5", err, all)
	}
}

func TestEventsEndWithTheClient(t *testing.T) {
	m := serveFakes(t)
	stop := errors.New("enough")
	m.listener.events <- store.Event{Kind: store.EventHit}
	err := m.client.Events(testContext(t), nil, func([]byte) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("Events() = %v, want %v", err, stop)
	}
	<-m.listener.closed
}

func TestEventsOfSomeTypes(t *testing.T) {
	m := serveFakes(t)
	for _, kind := range []store.EventKind{store.EventHit, store.EventSend, store.EventLost, store.EventMiss, store.EventRemove} {
		m.listener.events <- store.Event{Kind: kind}
	}
	var got []string
	stop := errors.New("enough")
	err := m.client.Events(testContext(t), []store.EventKind{store.EventSend, store.EventRemove}, func(event []byte) error {
		var e store.Event
		if err := json.Unmarshal(event, &e); err != nil {
			return err
		}
		got = append(got, string(e.Kind))
		if e.Kind == store.EventRemove {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || strings.Join(got, " ") != "send lost remove" {
		t.Errorf("Events() = %v with %v, want send, what was lost and remove", err, got)
	}
	err = m.client.Events(testContext(t), []store.EventKind{"foo"}, func([]byte) error { return nil })
	if !IsKind(err, KindRequest) {
		t.Errorf("Events(foo) = %v, want KindRequest", err)
	}
}

// A verb must not outlive its client for long: an interrupted flush stops.
func TestVerbEndsWhenTheClientGoes(t *testing.T) {
	m := serveFakes(t)
	ctx, cancel := context.WithCancel(testContext(t))
	_, err := m.client.Flush(ctx, time.Hour, func(Progress) { cancel() })
	if !IsKind(err, KindInterrupted) {
		t.Errorf("Flush() = %v, want KindInterrupted", err)
	}
	if err := m.server.Close(); err != nil { // would not return before its verbs
		t.Errorf("Close() = %v", err)
	}
}

func TestOthersAreRefused(t *testing.T) {
	m := serveFakes(t)
	for _, test := range []struct{ uid, want int }{
		{os.Getuid(), http.StatusOK}, {0, http.StatusOK}, {54321, http.StatusForbidden}, {-1, http.StatusForbidden},
	} {
		r := httptest.NewRequest("GET", "/v1/stats", nil)
		r = r.WithContext(context.WithValue(r.Context(), peerKey{}, test.uid))
		w := httptest.NewRecorder()
		m.server.http.Handler.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("user %d is answered %d, want %d", test.uid, w.Code, test.want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	m := serveFakes(t)
	for _, body := range []string{"{", `{"timeout":5}`, `{"timeout":"` + strings.Repeat("x", bodyLimit) + `"}`} {
		answer, err := m.client.http.Post("http://mount/v1/flush", "", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("a body of %d bytes is answered %s, want 400", len(body), answer.Status)
		}
	}
}

func TestSocketMode(t *testing.T) {
	m := serveFakes(t)
	fi, err := os.Stat(m.client.info.Socket)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("socket has mode %v, %v, want 0600", fi.Mode(), err)
	}
}

// A daemon that is stopped (SIGSTOP) accepts in the kernel and never answers.
func TestHungDaemonIsNotWaitedFor(t *testing.T) {
	m := serveFakes(t)
	m.store.hang = make(chan struct{})
	defer close(m.store.hang)
	ctx, cancel := context.WithTimeout(testContext(t), 100*time.Millisecond)
	defer cancel()
	_, err := m.client.Status(ctx)
	if !IsKind(err, KindUnreachable) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("Status() = %v, want KindUnreachable", err)
	}
}
