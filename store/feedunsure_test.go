package store

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
)

// TestFeedWithinASecond: what comes and goes within what clocks differ by is there
// or not as the remote says, whatever the times say and in whichever order they
// come.
func TestFeedWithinASecond(t *testing.T) {
	for _, apart := range []time.Duration{-time.Second, 0, time.Second} { // of the removal after the rest
		for _, op := range []byte{newsPut, newsTouched} {
			for _, way := range []string{"in one part", "removal last", "removal first"} {
				for _, there := range []bool{true, false} {
					t.Run(way, func(t *testing.T) {
						s := newFeedSite(t)
						key := remote.Key(testKey(1, "package"))
						s.mem.Set(key, []byte("x"))
						b := s.host(0, nil)
						b.wantContent(string(key), "x")
						s.c.add(10 * time.Second)
						now, at := s.c.now(), slotAt(s.c.now())
						came := news{op, key, stamp{1, now.UnixNano()}}
						gone := news{newsGone, key, stamp{0, now.Add(apart).UnixNano()}}
						for n, part := range map[string][][]news{
							"in one part": {{came, gone}}, "removal last": {{came}, {gone}}, "removal first": {{gone}, {came}},
						}[way] {
							s.part(at, uint64(n+1), part...)
							s.mem.Set(key, []byte("x"))
							if !there {
								s.mem.Remove(key)
							}
							s.hears(b)
						}
						eventually(t, "the remote was asked", func() bool { return b.has(string(key)) == there })
					})
				}
			}
		}
	}
}

// TestFeedAsksAgain: a remote that does not answer is asked with the next reading.
func TestFeedAsksAgain(t *testing.T) {
	s := newFeedSite(t)
	key := remote.Key(testKey(1, "package"))
	s.mem.Set(key, []byte("x"))
	b := s.host(0, nil)
	now := s.c.now()
	s.part(slotAt(now), 1, news{newsGone, key, stamp{0, now.UnixNano()}})
	s.mem.Remove(key)
	s.mem.Fail("stat", remote.ErrUnavailable)
	s.hears(b)
	eventually(t, "the remote was asked", func() bool {
		b.feed.mu.Lock()
		defer b.feed.mu.Unlock()
		return !b.feed.asking
	})
	b.wantHas(string(key), true)
	s.mem.Fail("stat", nil)
	eventually(t, "the remote is back", func() bool { return b.guard.ProbeNow(t.Context()) == nil })
	s.hears(b)
	eventually(t, "the remote was asked again", func() bool { return !b.has(string(key)) })
}

// slowDelete is a remote whose answer to a removal takes long.
type slowDelete struct {
	feedFar
	asked func()
}

func (d slowDelete) Delete(ctx context.Context, keys ...remote.Key) error {
	err := d.feedFar.Delete(ctx, keys...)
	d.asked()
	return err
}

// TestFeedPublishDuringRemoval: what another host publishes anew before a removal is
// answered stays for all, whenever that host hears of it.
func TestFeedPublishDuringRemoval(t *testing.T) {
	for _, how := range []string{"heard later", "heard meanwhile"} {
		for _, by := range []string{"clean", "rm"} {
			t.Run(how+", "+by, func(t *testing.T) {
				s := newFeedSite(t)
				key := testKey(1, "package")
				s.mem.Set(remote.Key(key), []byte("old"))
				b, c := s.host(0, nil), s.host(0, nil)
				var a *rig
				a = s.host(0, func(o *Options) {
					o.Remote = slowDelete{o.Remote.(feedFar), func() {
						s.c.add(10 * time.Second)
						if err := b.relearn(t.Context(), remote.Key(key)); err != nil {
							t.Error(err)
						}
						b.mustPublish(key, "anew")
						b.flush()
						if how == "heard meanwhile" {
							b.tell()
							s.hears(a)
						}
						s.c.add(20 * time.Second)
					}}
				})
				s.c.add(10 * time.Second)
				if by == "rm" {
					if err := a.Unlink(t.Context(), key); err != nil {
						t.Fatal(err)
					}
					a.flush()
				} else if err := a.Shared().Delete(t.Context(), remote.Key(key)); err != nil {
					t.Fatal(err)
				}
				a.tell()
				if how == "heard later" {
					b.tell()
				}
				for range 2 {
					for _, r := range []*rig{a, b, c} {
						s.hears(r)
					}
				}
				for _, r := range []*rig{a, b, c} {
					eventually(t, "all have it", func() bool { return r.has(key) })
				}
			})
		}
	}
}

// movingClock is a remote whose clock is known better after a while.
type movingClock struct {
	slowDelete
	ahead *atomic.Int64
}

func (m movingClock) Offset() (time.Duration, bool) { return time.Duration(m.ahead.Load()), true }

// TestFeedClockBecomesKnown: the answer to a removal may be the first that tells the
// remote's time.
func TestFeedClockBecomesKnown(t *testing.T) {
	s := newFeedSite(t)
	key := testKey(1, "package")
	s.mem.Set(remote.Key(key), []byte("old"))
	c := s.host(0, nil)
	var ahead atomic.Int64
	a := s.host(0, func(o *Options) {
		o.Remote = movingClock{slowDelete{o.Remote.(feedFar), func() { ahead.Store(0) }}, &ahead}
	})
	s.c.add(10 * time.Second)
	ahead.Store(int64(time.Minute))
	if err := a.Shared().Delete(t.Context(), remote.Key(key)); err != nil {
		t.Fatal(err)
	}
	a.tell()
	s.c.add(20 * time.Second)
	a.mustPublish(key, "anew")
	a.flush()
	a.tell()
	s.hears(c)
	c.wantHas(key, true)
}

// TestFeedUnsureSurvivesRemount: what was not asked of the remote in time is found by
// the next daemon.
func TestFeedUnsureSurvivesRemount(t *testing.T) {
	s := newFeedSite(t)
	key := remote.Key(testKey(1, "package"))
	b := s.host(0, nil)
	now := s.c.now()
	s.part(slotAt(now), 1, news{newsGone, key, stamp{0, now.UnixNano()}})
	s.hears(b)
	s.part(slotAt(now), 2, news{newsPut, key, stamp{1, now.Add(-time.Second).UnixNano()}})
	s.mem.Fail("stat", remote.ErrUnavailable)
	for range 10 { // until nobody looks there any more
		s.hears(b)
	}
	b.wantHas(string(key), false)
	b.close()
	s.mem.Fail("stat", nil)
	b.open()
	eventually(t, "it is found", func() bool { return b.has(string(key)) })
}

// TestFeedUnsureIsBounded: what there is no room to ask of is taken for there.
func TestFeedUnsureIsBounded(t *testing.T) {
	s := newFeedSite(t)
	key := remote.Key(testKey(1, "package"))
	b, now := s.host(0, nil), s.c.now()
	b.feed.mu.Lock()
	b.feed.asking = true // nobody takes one
	for i := range mostUnsure {
		b.feed.unsure[remote.Key(testKey(i+2, "package"))] = now
	}
	b.feed.mu.Unlock()
	s.part(slotAt(now), 1, news{newsGone, key, stamp{0, now.UnixNano()}})
	s.hears(b)
	s.part(slotAt(now), 2, news{newsPut, key, stamp{1, now.Add(-time.Second).UnixNano()}})
	s.hears(b)
	b.wantHas(string(key), true)
}

// TestFeedRefusedQuestion: an object that the remote refuses to tell of keeps no
// others waiting.
func TestFeedRefusedQuestion(t *testing.T) {
	s := newFeedSite(t)
	b := s.host(0, nil)
	now := s.c.now()
	for i := range 20 {
		s.part(slotAt(now), uint64(i+1), news{newsPut, remote.Key(testKey(i, "package")), stamp{1, now.UnixNano()}},
			news{newsGone, remote.Key(testKey(i, "package")), stamp{0, now.UnixNano()}})
	}
	s.mem.Fail("stat", remote.ErrPermission)
	s.hears(b)
	eventually(t, "all were asked", func() bool {
		b.feed.mu.Lock()
		defer b.feed.mu.Unlock()
		return !b.feed.asking && len(b.feed.unsure) == 0
	})
}

// TestFeedAfterBrokenRemoval: of a removal without an answer the others hear what it
// has done, and no more.
func TestFeedAfterBrokenRemoval(t *testing.T) {
	s := newFeedSite(t)
	gone, kept := remote.Key(testKey(1, "package")), remote.Key(testKey(2, "package"))
	for _, key := range []remote.Key{gone, kept} {
		s.mem.Set(key, []byte("x"))
	}
	a, b := s.host(0, nil), s.host(0, nil)
	s.c.add(time.Minute)
	s.mem.Fail("delete", remote.ErrUnavailable)
	if err := a.Shared().Delete(t.Context(), gone, kept); err == nil {
		t.Fatal("the removal did not fail")
	}
	s.mem.Fail("delete", nil)
	s.mem.Remove(gone)
	eventually(t, "the remote is back", func() bool { return a.guard.ProbeNow(t.Context()) == nil })
	s.hears(a)
	eventually(t, "it knows", func() bool { return !a.has(string(gone)) && a.feed.journal.waiting() })
	a.tell()
	s.hears(b)
	b.wantHas(string(gone), false)
	for _, r := range []*rig{a, b} {
		r.wantHas(string(kept), true)
	}
}
