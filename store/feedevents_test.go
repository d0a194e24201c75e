package store

import (
	"context"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// TestFeedOfAReplacedObject: what is removed and uploaded again, with the time that
// its file has, is there for all hosts, however that is told.
func TestFeedOfAReplacedObject(t *testing.T) {
	for _, way := range []string{"in one part", "in two parts", "after a crash"} {
		t.Run(way, func(t *testing.T) {
			s := newFeedSite(t)
			key := testKey(1, "package")
			s.mem.Set(remote.Key(key), []byte("bad"))
			a, b := s.host(0, nil), s.host(0, nil)
			b.wantHas(key, true)
			if err := a.Shared().Delete(t.Context(), remote.Key(key)); err != nil {
				t.Fatal(err)
			}
			if way == "in two parts" {
				a.tell()
			}
			s.c.add(5 * time.Second)
			opt := remote.PutOptions{Create: true, ModTime: s.c.now().Add(-24 * time.Hour)}
			if err := a.Shared().Put(t.Context(), remote.Key(key), remotetest.Bytes("good"), opt); err != nil {
				t.Fatal(err)
			}
			if way == "after a crash" {
				a.saveIndex()
				a.crash()
				a.open()
			}
			a.tell()
			for range 3 {
				s.hears(b)
				b.wantHas(key, true)
			}
			a.wantHas(key, true)
		})
	}
}

// slowDelete is a remote whose removals are answered late. asked is called when the
// objects are gone.
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
			s.c.add(time.Second)
			s.mem.Remove(remote.Key(key))
			b.relearn(t.Context(), remote.Key(key))
			b.mustPublish(key, "anew")
			b.flush()
			s.c.add(2 * time.Second)
		}}
	})
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
