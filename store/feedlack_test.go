package store

import (
	"context"
	"io"
	"testing"
	"time"

	"sstatefs/remote"
)

// feedAiling is a feedFar that lists an object and does not give it, and that
// does not list a folder.
type feedAiling struct {
	feedFar
	lost   remote.Key
	folder string
}

func (f feedAiling) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	if key == f.lost {
		return nil, remote.Info{}, &remote.Error{Op: "ailing: get", Key: key, Kind: remote.ErrUnavailable}
	}
	return f.feedFar.Get(ctx, key, offset)
}

func (f feedAiling) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	if prefix == f.folder {
		return &remote.Error{Op: "ailing: list", Kind: remote.ErrUnavailable}
	}
	return f.feedFar.List(ctx, prefix, fn)
}

// ailing is a host of a remote of which that is so, with time to find out that
// the rest is well.
func (s *feedSite) ailing(lost remote.Key, folder string) *rig {
	return s.host(0, func(o *Options) {
		o.Remote, o.Guard.OpTimeout = feedAiling{feedFar{s.mem, 0}, lost, folder}, 10*time.Second
	})
}

// puts is news of one object that came now.
func (s *feedSite) puts(key string) news {
	return news{newsPut, remote.Key(key), stamp{1, s.c.now().UnixNano()}}
}

// TestFeedPartLost: one part that the remote never gives keeps nothing else from
// being heard, is passed over after a while, and does not take the remote offline.
func TestFeedPartLost(t *testing.T) {
	s := newFeedSite(t)
	at := slotAt(s.c.now())
	b := s.ailing(feedName{slot: at, kind: feedPart, id: 1}.key(), "")
	hidden, beside, later := testKey(1, "package"), testKey(2, "package"), testKey(3, "package")
	s.part(at, 1, s.puts(hidden))
	s.part(at, 2, s.puts(beside))
	if err := b.feed.refresh(t.Context()); err == nil {
		t.Error("refresh does not say that something lacks")
	}
	b.wantHas(beside, true)
	for range 10 { // of lookups five would do
		_ = b.feed.refresh(t.Context())
	}
	if st := b.guard.State(); st.Open {
		t.Errorf("the remote is offline: %s", st.Reason)
	}
	if st := b.Status().Feed; st.Spoilt != 0 {
		t.Error("it was given up at once")
	}
	s.c.add(partWait + time.Minute)
	s.part(slotAt(s.c.now()), 3, s.puts(later))
	s.hears(b)
	b.wantHas(later, true)
	b.wantHas(hidden, false)
	s.c.add(spoiltPause - partWait) // since it was listed; the feed is within reach
	s.hears(b)
	eventually(t, "the listing of all finds it", func() bool { return b.has(hidden) })
	if st := b.Status().Feed; st.Spoilt != 1 {
		t.Errorf("%d spoilt, want 1", st.Spoilt)
	}
}

// TestFeedAllLost: where nothing is given it is the remote that is in trouble,
// and not asked for everything each time.
func TestFeedAllLost(t *testing.T) {
	s := newFeedSite(t)
	b := s.ailing("", "")
	at := slotAt(s.c.now())
	for n := range 10 * feedAtOnce {
		s.part(at, uint64(n+1), s.puts(testKey(n, "package")))
	}
	b.feed.mute = func() bool { return true } // no bundles
	s.mem.Fail("get", remote.ErrUnavailable)
	gets := s.mem.Calls("get")
	if err := b.feed.refresh(t.Context()); err == nil {
		t.Error("refresh did not fail")
	}
	if n := s.mem.Calls("get") - gets; n > 3*2*feedAtOnce {
		t.Errorf("%d gets", n)
	}
	s.mem.Fail("get", nil)
	s.hears(b)
	for n := range 10 * feedAtOnce {
		b.wantHas(testKey(n, "package"), true)
	}
	if st := b.Status().Feed; st.Spoilt != 0 {
		t.Errorf("%d spoilt, want none", st.Spoilt)
	}
}

// TestFeedCatchesUpBySlots: what was read is not read again when a later slot
// fails, nor kept by name.
func TestFeedCatchesUpBySlots(t *testing.T) {
	s := newFeedSite(t)
	at := slotAt(s.c.now())
	const slots = 6
	b := s.ailing("", (at + slots).folder())
	for n := range slot(slots) {
		s.part(at+n, uint64(n+1), s.puts(testKey(int(n), "package")))
	}
	s.c.add((slots + 1) * slotLength)
	if err := b.feed.refresh(t.Context()); err == nil {
		t.Fatal("refresh did not fail")
	}
	f := b.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from != at+slots || len(f.seen) != 0 {
		t.Errorf("reads on from slot %d and keeps %d slots, want %d and none", f.from-at, len(f.seen), slots)
	}
}

// TestFeedListedInTheFuture: a clock that was set back by years does not put off
// the listing of all for years.
func TestFeedListedInTheFuture(t *testing.T) {
	s := newFeedSite(t)
	b := s.host(0, nil)
	s.hears(b)
	b.close()
	const back = -3 * 365 * 24 * time.Hour
	b.opt.Remote, b.opt.Now = feedFar{s.mem, back}, func() time.Time { return s.c.now().Add(back) }
	folders := s.mem.Calls("folders")
	b.open()
	eventually(t, "the index is complete", func() bool { return b.Status().Index.Complete })
	if n := s.mem.Calls("folders") - folders; n != 0 {
		t.Errorf("%d listings of folders, want what was saved", n)
	}
	if listed := b.Status().Feed.Listed; listed.After(b.opt.Now()) {
		t.Errorf("listed at %v, now is %v", listed, b.opt.Now())
	}
}
