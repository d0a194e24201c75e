package store

import (
	"context"
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
// answered stays for all.
func TestFeedPublishDuringRemoval(t *testing.T) {
	s := newFeedSite(t)
	key := testKey(1, "package")
	s.mem.Set(remote.Key(key), []byte("old"))
	b, c := s.host(0, nil), s.host(0, nil)
	a := s.host(0, func(o *Options) {
		o.Remote = slowDelete{o.Remote.(feedFar), func() {
			s.c.add(10 * time.Second)
			if err := b.relearn(t.Context(), remote.Key(key)); err != nil {
				t.Error(err)
			}
			b.mustPublish(key, "anew")
			b.flush()
			s.c.add(20 * time.Second)
		}}
	})
	s.c.add(10 * time.Second)
	if err := a.Shared().Delete(t.Context(), remote.Key(key)); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*rig{a, b} {
		r.tell()
	}
	for range 2 {
		for _, r := range []*rig{a, b, c} {
			s.hears(r)
		}
	}
	for _, r := range []*rig{a, b, c} {
		r.wantHas(key, true)
	}
}
