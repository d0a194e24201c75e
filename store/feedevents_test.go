package store

import (
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
