package store

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// TestFeedBundles: of many parts whoever comes first makes one bundle, and the
// others read that.
func TestFeedBundles(t *testing.T) {
	s := newFeedSite(t)
	b, c := s.host(0, nil), s.host(0, nil)
	at := slotAt(s.c.now())
	const parts = 200
	for n := range parts {
		s.part(at, uint64(n+1), news{newsPut, remote.Key(testKey(n, "package")), stamp{1, s.c.now().UnixNano()}})
	}
	gets := s.mem.Calls("get")
	s.hears(b)
	if n := s.mem.Calls("get") - gets; n != parts {
		t.Errorf("%d gets by the first, want %d", n, parts)
	}
	gets = s.mem.Calls("get")
	s.hears(c)
	if n := s.mem.Calls("get") - gets; n != 1 {
		t.Errorf("%d gets by the second, want the bundle", n)
	}
	for _, r := range []*rig{b, c} {
		for n := range parts {
			r.wantHas(testKey(n, "package"), true)
		}
	}
	if st := b.Status().Feed; st.Bundles != 1 {
		t.Errorf("%d bundles made, want 1", st.Bundles)
	}
}

// TestFeedClaims: a claim makes others wait, but not for long.
func TestFeedClaims(t *testing.T) {
	s := newFeedSite(t)
	b := s.host(0, nil)
	at := slotAt(s.c.now())
	for n := range feedDirect + 1 {
		s.part(at, uint64(n+1), news{newsPut, remote.Key(testKey(n, "package")), stamp{1, s.c.now().UnixNano()}})
	}
	s.c.add(time.Minute)
	s.mem.Set(feedName{slot: at, kind: feedClaim, number: 0}.key(), nil)
	if err := b.feed.refresh(t.Context()); err != errFeedWaits { //nolint:errorlint // it is returned as it is
		t.Errorf("refresh beside a claim = %v, want to wait", err)
	}
	b.wantHas(testKey(0, "package"), false)
	s.c.add(claimTime)
	if err := b.feed.refresh(t.Context()); err != nil {
		t.Errorf("refresh after a claim that came to nothing: %v", err)
	}
	for n := range feedDirect + 1 {
		b.wantHas(testKey(n, "package"), true)
	}
	key := feedName{slot: at, kind: feedClaim, number: 1}.key()
	if _, ok := s.mem.Snapshot()[key]; !ok {
		t.Error("no second claim was made")
	}
}

// TestFeedSurvivesKill: what was sent and not told is told by the next mount.
func TestFeedSurvivesKill(t *testing.T) {
	s := newFeedSite(t)
	a, b := s.host(0, nil), s.host(0, nil)
	key := testKey(1, "package")
	a.mustPublish(key, "x")
	a.crash()
	a.open()
	eventually(t, "the mount has listed everything", func() bool { return a.Status().Index.Complete })
	a.tell()
	s.hears(b)
	b.wantHas(key, true)
	if left, err := os.ReadDir(a.feed.journal.dir); err != nil || len(left) > 1 { // the position
		t.Errorf("left in the journal: %v, %v", left, err)
	}
}

// TestFeedJournalOnFullDisk: a line that was cut off spoils no other.
func TestFeedJournalOnFullDisk(t *testing.T) {
	j, err := openFeedJournal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	told := func(n int) news { return news{newsGone, remote.Key(testKey(n, "package")), stamp{0, int64(n + 1)}} }
	j.add(told(0))
	if _, err := j.file.WriteString("- 2 ab/cd/sstate:zl"); err != nil { // so much was free
		t.Fatal(err)
	}
	j.file.Close() // what is written now fails
	j.add(told(1))
	j.add(told(2))
	var all []news
	for _, part := range j.seal() {
		some, err := j.read(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b news) int { return cmp.Compare(a.mtime, b.mtime) })
	if want := []news{told(0), told(2)}; !slices.Equal(all, want) || j.untold() != 1 {
		t.Errorf("kept %v, %d untold, want %v and 1", all, j.untold(), want)
	}
}

// TestFeedResumes: a mount of a cache that was used before lists nothing but
// the feed, and knows what happened meanwhile, here and elsewhere.
func TestFeedResumes(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprint("killed ", killed), func(t *testing.T) {
			s := newFeedSite(t)
			old := testKey(1, "package")
			s.mem.Set(remote.Key(old), []byte("x"))
			a, b := s.host(0, nil), s.host(0, nil)
			s.hears(b)
			b.saveIndex()
			own := testKey(2, "package")
			b.mustPublish(own, "x")
			if killed {
				b.crash()
			} else if _, err := b.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			theirs := testKey(3, "package")
			a.mustPublish(theirs, "x")
			if err := a.Unlink(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			a.tell()
			s.c.add(20 * time.Minute)
			folders := s.mem.Calls("folders")
			b.open()
			eventually(t, "the index is complete", func() bool { return b.Status().Index.Complete })
			b.wantHas(own, true)
			b.wantHas(theirs, true)
			b.wantHas(old, false)
			if n := s.mem.Calls("folders") - folders; n != 0 {
				t.Errorf("%d listings of folders, want none", n)
			}
		})
	}
}

// TestFeedOutOfReach: who was away for longer than the feed is kept lists all.
func TestFeedOutOfReach(t *testing.T) {
	s := newFeedSite(t)
	b := s.host(0, nil)
	s.hears(b)
	key := testKey(1, "package")
	s.mem.Set(remote.Key(key), []byte("x")) // a part of which is gone
	s.c.add(sstate.FeedKept)
	eventually(t, "it is listed", func() bool { return b.has(key) })
}

// TestFeedListsNowAndThen: other tools tell nothing.
func TestFeedListsNowAndThen(t *testing.T) {
	s := newFeedSite(t)
	b := s.host(0, func(o *Options) { o.Relist = time.Hour })
	key := testKey(1, "package")
	s.mem.Set(remote.Key(key), []byte("x"))
	for range 40 { // 0.8 of an hour is the least
		s.hears(b)
	}
	b.wantHas(key, false)
	s.c.add(time.Hour)
	s.hears(b)
	eventually(t, "it is listed", func() bool { return b.has(key) })
}

// TestFeedListsOften: also more than once an hour, if that is asked for.
func TestFeedListsOften(t *testing.T) {
	s := newFeedSite(t)
	b := s.host(0, func(o *Options) { o.Relist = 10 * time.Minute })
	for n := range 3 {
		key := testKey(n, "package")
		s.mem.Set(remote.Key(key), []byte("x"))
		s.c.add(13 * time.Minute) // 1.2 of it is the most
		s.hears(b)
		eventually(t, "it is listed", func() bool {
			b.feed.mu.Lock()
			defer b.feed.mu.Unlock()
			return !b.feed.relisted
		})
		b.wantHas(key, true)
	}
}

// TestFeedSpoiltWhileListing: what could not be read while a listing runs may
// tell of a place that it had passed, so it is not enough.
func TestFeedSpoiltWhileListing(t *testing.T) {
	s := newFeedSite(t)
	f := s.host(0, nil).feed
	for _, late := range []bool{true, false} {
		begun := f.mark()
		if late {
			s.c.add(time.Second)
			f.spoilt(errSpoilt)
		}
		f.listedAll(begun)
		s.c.add(spoiltPause + time.Minute)
		if got := f.wantsListing(); got != late {
			t.Errorf("spoilt after the listing began: %v, another one is due: %v", late, got)
		}
		f.mu.Lock()
		f.relisted = false
		f.mu.Unlock()
	}
}

// TestFeedSpoiltBeforeRemount: what could not be read is not forgotten.
func TestFeedSpoiltBeforeRemount(t *testing.T) {
	s := newFeedSite(t)
	b := s.host(0, nil)
	hidden := testKey(1, "package")
	s.mem.Set(remote.Key(hidden), []byte("x"))
	at := slotAt(s.c.now())
	s.mem.Set(feedName{slot: at, kind: feedPart, id: 1}.key(), []byte("garbage"))
	s.hears(b)
	s.c.add(2 * slotLength) // it is not read again
	s.hears(b)
	b.close()
	b.open()
	eventually(t, "the listing of all finds it", func() bool { return b.has(hidden) })
	eventually(t, "it is over", func() bool { return b.Status().Feed.Listed.After(at.end()) })
	if b.feed.wantsListing() {
		t.Error("another listing is due at once")
	}
}

// TestFeedWorld: hosts that publish, remove, tell and read at random, at the
// same time, with clocks that differ, end up with what the remote holds.
func TestFeedWorld(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newFeedSite(t)
			hosts := []*rig{s.host(0, nil), s.host(time.Hour, nil), s.host(-time.Hour, nil)}
			random := rand.New(rand.NewPCG(seed, 1))
			for range 12 {
				s.c.add(time.Duration(random.IntN(90)) * time.Second)
				var wg sync.WaitGroup
				for n, r := range hosts {
					acts, from := random.IntN(6), random.IntN(200)
					wg.Go(func() { r.act(n, acts, from) })
				}
				wg.Wait()
			}
			for _, r := range hosts {
				r.flush()
			}
			for range 3 { // a claim may make one wait
				for _, r := range hosts {
					s.c.add(2 * time.Minute)
					_ = r.feed.refresh(t.Context())
				}
			}
			for n, r := range hosts {
				for i := range 200 {
					key := testKey(i, "package")
					_, want := s.mem.Snapshot()[remote.Key(key)]
					if _, found := r.index.at(remote.Key(key)); found != want {
						t.Errorf("host %d: object %d found %v, want %v", n, i, found, want)
					}
				}
			}
		})
	}
}

// act does some things to the remote, each host to its own objects: of two that
// change one at the same time nobody knows who was first.
func (r *rig) act(host, acts, from int) {
	ctx := context.Background()
	for i := range acts {
		key := testKey(((from+i)%66)*3+host, "package")
		if r.has(key) {
			_ = r.Unlink(ctx, key)
		} else if err := r.publish(key, "x"); err != nil {
			r.t.Error(err)
		}
	}
	switch acts % 3 {
	case 0:
		r.feed.tell(ctx)
	case 1:
		_ = r.feed.refresh(ctx)
	}
}

func FuzzFeedText(f *testing.F) {
	f.Add([]byte("+ 1 2 " + testKey(1, "package") + "\n- 3 " + testKey(2, "package") + "\n"))
	f.Add([]byte("= 0123456789abcdef\n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		text, err := parseFeedLines(lines)
		if err != nil {
			return
		}
		var again []byte
		for i := range text.news {
			again = text.news[i].appendLine(again)
		}
		if other, err := parseFeedLines(again); err != nil || len(other.news) != len(text.news) {
			t.Errorf("%q read again: %v", again, err)
		}
	})
}

func TestFeedNames(t *testing.T) {
	at := slotAt(time.Date(2026, 11, 21, 14, 37, 0, 0, time.UTC))
	for _, n := range []feedName{
		{slot: at, kind: feedPart, id: 0x123}, {slot: at, kind: feedClaim, number: 2},
		{slot: at, kind: feedBundle, number: 12345, id: 1 << 63},
	} {
		got, ok := at.parseFeed(n.key())
		if !ok || got != n {
			t.Errorf("parse of %s = %+v, %v", n.key(), got, ok)
		}
		if _, ok := (at + slotRing).parseFeed(n.key()); ok {
			t.Errorf("%s counts a week later", n.key())
		}
		if (at+slotRing).folder() != at.folder() || isObject(string(n.key())) || !n.key().IsObject() {
			t.Errorf("%s: another folder next week, an object, or not listed", n.key())
		}
	}
	if want := remote.Key("sstatefs-feed/6-1435/sstate:feed:20261121T1435:part:0000000000000123"); (feedName{slot: at, kind: feedPart, id: 0x123}).key() != want {
		t.Errorf("a part is %s, want %s", feedName{slot: at, kind: feedPart, id: 0x123}.key(), want)
	}
}
