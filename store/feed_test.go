package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// feedFar is the remote of a site as one of its hosts sees it, whose clock is
// ahead by skew.
type feedFar struct {
	*remotetest.Memory
	skew time.Duration
}

// Offset see remote.Clock.
func (f feedFar) Offset() (time.Duration, bool) { return -f.skew, true }

// feedSite is some hosts that tell each other what they do.
type feedSite struct {
	t   *testing.T
	mem *remotetest.Memory
	c   *clock
}

func newFeedSite(t *testing.T) *feedSite {
	// Far from the end of a slot, which some tests cross on purpose.
	c := &clock{t: slotAt(time.Now()).begin().Add(2 * time.Minute)}
	s := &feedSite{t: t, mem: remotetest.NewMemory(), c: c}
	s.mem.SetClock(c.now)
	return s
}

// host is a mount with the feed. set, if not nil, changes its options.
func (s *feedSite) host(skew time.Duration, set func(*Options)) *rig {
	s.t.Helper()
	r := &rig{t: s.t, mem: s.mem}
	r.opt = Options{
		Dir: s.t.TempDir(), Remote: feedFar{s.mem, skew}, Guard: quickGuard, MinFree: 1e-9, Feed: true,
		Now: func() time.Time { return s.c.now().Add(skew) },
	}
	if set != nil {
		set(&r.opt)
	}
	r.open()
	s.t.Cleanup(r.close)
	eventually(s.t, "the mount has listed everything", func() bool { return r.Status().Index.Complete })
	return r
}

// tell makes a host write its part now.
func (r *rig) tell() {
	r.t.Helper()
	r.feed.tell(context.Background())
	if r.feed.journal.waiting() {
		r.t.Fatal("the others were not told")
	}
}

// hears makes a host refresh as a miss does, after a minute.
func (s *feedSite) hears(r *rig) {
	s.t.Helper()
	s.c.add(61 * time.Second)
	before := r.index.now()
	eventually(s.t, "a refresh has ended", func() bool {
		_, _ = r.Stat(context.Background(), testKey(-1, "deploy"))
		r.index.mu.Lock()
		defer r.index.mu.Unlock()
		return !r.index.heard.Before(before) && !r.index.refreshing
	})
}

// has reports whether a host finds a key.
func (r *rig) has(key string) bool {
	_, err := r.Stat(context.Background(), key)
	return err == nil
}

func (r *rig) wantHas(key string, want bool) {
	r.t.Helper()
	if got := r.has(key); got != want {
		r.t.Errorf("%s: found %v, want %v", key, got, want)
	}
}

func TestFeedTellsOthers(t *testing.T) {
	s := newFeedSite(t)
	gone, kept := testKey(1, "package"), testKey(2, "package")
	s.mem.Set(remote.Key(gone), []byte("x"))
	s.mem.Set(remote.Key(kept), []byte("x"))
	a, b := s.host(0, nil), s.host(0, nil)
	b.wantContent(gone, "x")
	s.c.add(time.Minute)
	made := testKey(3, "package")
	a.mustPublish(made, "made")
	if err := a.Unlink(context.Background(), gone); err != nil {
		t.Fatal(err)
	}
	a.flush()
	b.wantHas(made, false)
	lists, folders, gets := s.mem.Calls("list"), s.mem.Calls("folders"), s.mem.Calls("get")
	s.hears(b)
	b.wantHas(made, true)
	b.wantHas(gone, false)
	b.wantHas(kept, true)
	if n := s.mem.Calls("list") - lists; n != 1 {
		t.Errorf("%d listings, want 1 of the slot", n)
	}
	if n := s.mem.Calls("folders") - folders; n != 0 {
		t.Errorf("%d listings of folders, want none", n)
	}
	if n := s.mem.Calls("get") - gets; n != 1 {
		t.Errorf("%d gets, want the one part", n)
	}
	b.wantContent(made, "made")
	if st := b.Status().Feed; st == nil || !st.Reads || st.News != 2 || st.Heard.IsZero() {
		t.Errorf("status %+v", st)
	}
	s.hears(b)
	if n := s.mem.Calls("get") - gets; n != 2 { // the part, and the object that was read
		t.Errorf("%d gets, want none for what was read before", n)
	}
}

// TestFeedTellsTimes: what one host touched the others need not touch.
func TestFeedTellsTimes(t *testing.T) {
	s := newFeedSite(t)
	key := remote.Key(testKey(1, "package"))
	s.mem.Set(key, []byte("x"))
	s.c.add(48 * time.Hour)
	a, b := s.host(0, nil), s.host(0, nil)
	if err := a.Shared().Touch(context.Background(), key, time.Time{}); err != nil {
		t.Fatal(err)
	}
	a.tell()
	s.hears(b)
	if st, ok := b.index.at(key); !ok || s.c.now().Sub(st.time()) > time.Hour {
		t.Errorf("the other host knows the time %v", st.time())
	}
}

// TestFeedOffIsSilent: nothing is written where the site has not said so.
func TestFeedOffIsSilent(t *testing.T) {
	r := newIndexedRig(t, nil)
	r.mustPublish(testKey(1, "package"), "x")
	r.flush()
	for key := range r.mem.Snapshot() {
		if strings.HasPrefix(string(key), "sstatefs-feed") {
			t.Errorf("wrote %s", key)
		}
	}
	if r.Status().Feed != nil {
		t.Error("status has a feed")
	}
}

// TestFeedReadOnlyHostHears: and tells nothing.
func TestFeedReadOnlyHostHears(t *testing.T) {
	s := newFeedSite(t)
	a, b := s.host(0, nil), s.host(0, func(o *Options) { o.ReadOnly = true })
	own, key := testKey(1, "package"), testKey(2, "package")
	b.mustPublish(own, "x")
	a.mustPublish(key, "x")
	a.tell()
	s.hears(b)
	b.wantHas(key, true)
	b.feed.tell(t.Context())
	s.hears(a)
	a.wantHas(own, false)
}

// TestFeedSkewedHosts: clocks of hosts may be hours apart.
func TestFeedSkewedHosts(t *testing.T) {
	s := newFeedSite(t)
	a, b := s.host(3*time.Hour, nil), s.host(-5*time.Hour, nil)
	for n := range 4 { // through more than a slot
		key := testKey(n, "package")
		a.mustPublish(key, "x")
		a.tell()
		s.hears(b)
		b.wantHas(key, true)
		s.c.add(100 * time.Second)
	}
}

// TestFeedWrongClock: a host that has the remote's clock wrong finds out by the
// time of its part, and writes it where others look.
func TestFeedWrongClock(t *testing.T) {
	for _, wrong := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			s := newFeedSite(t)
			a, b := s.host(0, nil), s.host(0, nil)
			a.feed.farNow = func() (time.Time, bool) { return s.c.now().Add(wrong), true }
			key := testKey(1, "package")
			a.mustPublish(key, "x")
			a.tell()
			s.hears(b)
			b.wantHas(key, true)
		})
	}
}

// TestFeedLateParts: a part that arrives after its slot was read is read all
// the same, also when the slot is over.
func TestFeedLateParts(t *testing.T) {
	s := newFeedSite(t)
	b := s.host(0, nil)
	at := slotAt(s.c.now())
	for n, late := range []time.Duration{2 * time.Minute, 4*time.Minute + 30*time.Second} {
		s.c.mu.Lock()
		s.c.t = at.begin().Add(late)
		s.c.mu.Unlock()
		s.hears(b)
		key := testKey(n, "package")
		s.part(at, uint64(n+1), news{newsPut, remote.Key(key), stamp{1, s.c.now().UnixNano()}})
		s.hears(b)
		b.wantHas(key, true)
	}
}

// part writes a part as another host would.
func (s *feedSite) part(at slot, id uint64, all ...news) {
	s.t.Helper()
	var lines []byte
	for _, n := range all {
		lines = n.appendLine(lines)
		if n.op == newsPut {
			s.mem.Set(n.key, []byte("x"))
		}
	}
	data, err := pack(lines)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mem.Set(feedName{slot: at, kind: feedPart, id: id}.key(), data)
}

// TestFeedOrder: news counts by its time and not by when it comes.
func TestFeedOrder(t *testing.T) {
	s := newFeedSite(t)
	b := s.host(0, nil)
	now, at := s.c.now(), slotAt(s.c.now())
	stampAt := func(d time.Duration) stamp { return stamp{1, now.Add(d).UnixNano()} }
	anew, gone := remote.Key(testKey(1, "package")), remote.Key(testKey(2, "package"))
	s.part(at, 1, news{newsPut, anew, stampAt(20 * time.Second)})
	s.part(at, 2, news{newsGone, gone, stampAt(20 * time.Second)})
	s.hears(b)
	s.part(at, 3, news{newsGone, anew, stampAt(10 * time.Second)}, news{newsPut, gone, stampAt(10 * time.Second)},
		news{newsTouched, gone, stampAt(30 * time.Second)})
	s.hears(b)
	b.wantHas(string(anew), true)
	b.wantHas(string(gone), false)
	s.part(at, 4, news{newsPut, gone, stampAt(40 * time.Second)})
	s.part(at, 5, news{newsPut, gone, stampAt(40 * time.Second)}) // twice
	s.hears(b)
	b.wantHas(string(gone), true)
	if n := b.Status().Index.Objects; n != 2 {
		t.Errorf("%d objects in the index, want 2", n)
	}
}

// TestFeedSpoilt: what cannot be read hides nothing, and makes a listing of all
// due, at most one in an hour.
func TestFeedSpoilt(t *testing.T) {
	frame, err := pack([]byte("+ 1 2 ../../etc/passwd\n"))
	if err != nil {
		t.Fatal(err)
	}
	bomb, err := pack([]byte(strings.Repeat("a", 2*feedDecoded)))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"garbage": []byte("garbage"), "no object": frame, "bomb": bomb, "empty": {}, "large": make([]byte, feedObject+1),
	} {
		t.Run(name, func(t *testing.T) {
			s := newFeedSite(t)
			b := s.host(0, nil)
			at := slotAt(s.c.now())
			hidden, told := testKey(1, "package"), testKey(2, "package")
			s.mem.Set(remote.Key(hidden), []byte("x"))
			s.mem.Set(feedName{slot: at, kind: feedPart, id: 1}.key(), data)
			s.mem.Set(feedName{slot: at, kind: feedBundle, id: 2}.key(), data)
			s.mem.Set(remote.Key(at.folder()+"/sstate:feed:nonsense"), data)
			s.part(at, 3, news{newsPut, remote.Key(told), stamp{1, s.c.now().UnixNano()}})
			lists := s.mem.Calls("folders")
			s.hears(b)
			b.wantHas(told, true)
			b.wantHas(hidden, false)
			if n := s.mem.Calls("folders") - lists; n != 0 {
				t.Error("all was listed again at once")
			}
			s.c.add(spoiltPause)
			s.hears(b)
			eventually(t, "the listing of all finds it", func() bool { return b.has(hidden) })
			if st := b.Status().Feed; st.Spoilt != 2 {
				t.Errorf("%d spoilt, want 2", st.Spoilt)
			}
		})
	}
}

// TestFeedTrouble: a part that cannot be got now is read later.
func TestFeedTrouble(t *testing.T) {
	s := newFeedSite(t)
	a, b := s.host(0, nil), s.host(0, nil)
	key := testKey(1, "package")
	a.mustPublish(key, "x")
	a.tell()
	s.mem.Fail("get", remote.ErrUnavailable)
	s.c.add(61 * time.Second)
	if err := b.feed.refresh(t.Context()); err == nil {
		t.Error("refresh did not fail")
	}
	s.mem.Fail("get", nil)
	eventually(t, "the remote is back", func() bool { return b.guard.ProbeNow(t.Context()) == nil })
	s.hears(b)
	b.wantHas(key, true)
}

// TestFeedRefused: where the feed may not be read, listing goes on.
func TestFeedRefused(t *testing.T) {
	s := newFeedSite(t)
	a, b := s.host(0, nil), s.host(0, nil)
	b.feed.guard = remote.NewGuard(feedFar{remotetest.NewMemory(), 0}, remote.GuardOptions{Now: s.c.now})
	b.feed.guard.Unwrap().(feedFar).Fail("list", remote.ErrPermission)
	t.Cleanup(func() { b.feed.guard.Close(context.Background()) })
	key := testKey(1, "package")
	a.mustPublish(key, "x")
	s.c.add(10 * time.Minute)
	eventually(t, "the listing finds it", func() bool { return b.has(key) })
	if st := b.Status().Feed; st.Problem == "" {
		t.Error("status does not say why")
	}
}

// TestFeedDropIsDoubted: who tells that half of a remote is gone is believed as
// little as a listing that says so.
func TestFeedDropIsDoubted(t *testing.T) {
	s := newFeedSite(t)
	const n = 64
	for i := range n {
		s.mem.Set(remote.Key(testKey(i, "package")), []byte("x"))
	}
	b := s.host(0, nil)
	var all []news
	s.c.add(time.Minute)
	for i := range n {
		b.wantContent(testKey(i, "package"), "x")
		all = append(all, news{newsGone, remote.Key(testKey(i, "package")), stamp{0, s.c.now().UnixNano()}})
	}
	s.part(slotAt(s.c.now()), 1, all...)
	s.hears(b)
	if st := b.Status(); !st.Index.Suspect {
		t.Errorf("status %+v, want suspect", st.Index)
	}
	for i := range n {
		b.wantContent(testKey(i, "package"), "x")
	}
}
