package store

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// newFolderRig has a remote that lists folder by folder, with one object in
// each of n leaves.
func newFolderRig(t *testing.T, c *clock, n int) (r *rig, keys []string) {
	t.Helper()
	r = newRig(t, func(o *Options, tr *remote.Traits) {
		tr.CheapStat, tr.ListPerFolder = false, true
		o.Now = c.now
	})
	eventually(t, "the fill of the mount has ended", func() bool { return r.Status().Index.Complete })
	for i := range n {
		keys = append(keys, testKey(i, "package"))
		r.mem.Set(remote.Key(keys[i]), []byte("x"))
	}
	return r, keys
}

func (r *rig) requests() int64 {
	return r.mem.Calls("list") + r.mem.Calls("folders") + r.mem.Calls("stat")
}

// TestLeafIsAskedAlone: where each folder costs a request a lookup waits for
// its own folder, and a folder that its parent does not show costs none.
func TestLeafIsAskedAlone(t *testing.T) {
	c := &clock{t: time.Now()}
	r, keys := newFolderRig(t, c, 40)
	// A cold index, as while the first fill is under way.
	r.Store.index.mu.Lock()
	r.Store.index.shards, r.Store.index.root, r.Store.index.objects = map[string]*shard{}, root{}, 0
	r.Store.index.mu.Unlock()
	lists, folders := r.mem.Calls("list"), r.mem.Calls("folders")
	if _, err := r.Stat(context.Background(), keys[0]); err != nil {
		t.Fatal(err)
	}
	if l, f := r.mem.Calls("list")-lists, r.mem.Calls("folders")-folders; l != 1 || f != 1 {
		t.Errorf("the first lookup made %d listings and asked for folders %d times, want 1 and 1", l, f)
	}
	before := r.requests()
	shard, leaf := keys[0][:2], otherLeaf(keys[0][3:5])
	absent := shard + "/" + leaf + "/sstate:zlib::1:2::14:" + shard + leaf + fmt.Sprintf("%060d", 0) + "_package.tar.zst"
	for range 10 {
		r.wantMiss(absent)
	}
	if n := r.requests() - before; n != 0 {
		t.Errorf("a leaf that is not there cost %d requests", n)
	}
}

// otherLeaf is a leaf that no testKey below 40 has beside the given one.
func otherLeaf(leaf string) string {
	if leaf == "00" {
		return "01"
	}
	return "00"
}

// TestOnlyMovedFoldersAreListed: a refresh asks each shard for its folders and
// lists those that moved; a remount does not list the others either.
func TestOnlyMovedFoldersAreListed(t *testing.T) {
	for _, perFolder := range []bool{true, false} {
		t.Run(fmt.Sprint("perFolder ", perFolder), func(t *testing.T) {
			c := &clock{t: time.Now()}
			r, keys := newFolderRig(t, c, 40)
			if !perFolder {
				r.index.perFolder = false
			}
			c.add(time.Hour) // the folders have been quiet
			r.filled()
			for _, k := range keys {
				if _, err := r.Stat(context.Background(), k); err != nil {
					t.Fatal(err)
				}
			}
			lists := r.mem.Calls("list")
			news := keys[0][:len(keys[0])-len(".tar.zst")] + "_x.tar.zst"
			r.mem.SetClock(c.now)
			r.mem.Set(remote.Key(news), []byte("y"))
			c.add(2 * time.Minute)
			eventually(t, "the refresh finds it", func() bool {
				_, err := r.Stat(context.Background(), news)
				return err == nil
			})
			if n := r.mem.Calls("list") - lists; n != 1 {
				t.Errorf("%d listings for one folder that moved", n)
			}
			if perFolder {
				r.remountsQuietly(c, keys)
			}
		})
	}
}

// remountsQuietly opens the store again and wants no listing.
func (r *rig) remountsQuietly(c *clock, keys []string) {
	r.t.Helper()
	c.add(time.Hour)
	r.listed()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := r.Close(ctx); err != nil {
		r.t.Fatal(err)
	}
	lists := r.mem.Calls("list")
	r.open()
	for i, k := range keys {
		if _, err := r.Stat(context.Background(), k); err != nil {
			r.t.Fatal(err)
		}
		r.wantMiss(testKey(i, "deploy"))
	}
	r.listed()
	if n := r.mem.Calls("list") - lists; n > 0 {
		r.t.Errorf("%d listings of folders that did not move while nothing was mounted", n)
	}
}

// listed lists the remote as a mount does.
func (r *rig) listed() {
	r.t.Helper()
	if err := r.list(context.Background()); err != nil {
		r.t.Fatalf("list: %v", err)
	}
}

// TestForeignFoldersAreLeftAlone: what else is in a bucket is not listed, and an
// EXTRAPATH among it is found.
func TestForeignFoldersAreLeftAlone(t *testing.T) {
	const foreign = 300
	r := newIndexedRig(t, nil)
	for i := range foreign {
		r.mem.Set(remote.Key(fmt.Sprintf("backup%d/sstate:x", i)), []byte("x"))
	}
	native := "universal-4.9/" + testKey(1, "package")
	custom := "our own/" + testKey(2, "package")
	r.mem.Set(remote.Key(native), []byte("x"))
	r.mem.Set(remote.Key(custom), []byte("x"))
	before := r.requests()
	r.filled()
	if n := r.requests() - before; n > 10 {
		t.Errorf("%d requests to fill an index with one object", n)
	}
	for _, key := range []string{native, custom} {
		r.wantContent(key, "x")
	}
	r.wantMiss("backup1/" + testKey(3, "package"))
}

// TestRefreshRests: a refresh that took long is not repeated soon.
func TestRefreshRests(t *testing.T) {
	c := &clock{t: time.Now()}
	x := (&sea{pairs: 256}).newIndex()
	x.now = c.now
	slow, lists := x.list, 0
	x.jobs = 1
	x.list = func(ctx context.Context, prefix string, fn func(remote.Info) error) error {
		lists++
		c.add(time.Second)
		return slow(ctx, prefix, fn)
	}
	if err := x.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	lists = 0
	key := remote.Key((&sea{pairs: 256}).key(1, 0))
	done := make(chan struct{})
	x.spawn = func(fn func(context.Context)) {
		go func() { fn(context.Background()); done <- struct{}{} }()
	}
	x.get(key)
	c.add(4 * time.Minute) // the fill took 256 s
	x.get(key)
	if lists != 0 {
		t.Fatalf("refreshed right after a fill that took long")
	}
	c.add(2 * time.Minute)
	x.get(key)
	<-done // the listing of the only shard in use
	<-done // and the refresh
	if lists != 1 {
		t.Errorf("%d listings, want 1", lists)
	}
}

// TestUnansweredLookupIsTold: who did not wait to the end of the first listing
// hears of what it brings; the rest of the shard is no news to anybody.
func TestUnansweredLookupIsTold(t *testing.T) {
	asked, other := testKey(1, "package"), testKey(1, "package")+".siginfo"
	r := newRig(t, func(o *Options, tr *remote.Traits) {
		tr.CheapStat = false
		o.LookupPatience = 1
		mem := o.Remote.(*remotetest.Memory)
		mem.Set(remote.Key(asked), []byte("x"))
		mem.Set(remote.Key(other), []byte("x"))
		mem.Hang("list")
	})
	told := make(chan string, 10)
	r.OnChange(func(path string) { told <- path })
	r.wantMiss(asked)
	r.mem.Release()
	eventually(t, "somebody is told", func() bool { return len(told) > 0 })
	if got := <-told; got != asked {
		t.Errorf("told of %s, want %s", got, asked)
	}
	eventually(t, "the fill has ended", func() bool { return r.Status().Index.Complete })
	if len(told) > 0 {
		t.Errorf("told of %s too", <-told)
	}
	r.wantContent(asked, "x")
}

// TestGetAllocatesNothing: a build asks for thousands of names at once.
func TestGetAllocatesNothing(t *testing.T) {
	s := sea{pairs: 25_600}
	x := s.filledIndex(t)
	hit, miss := remote.Key(s.key(3, 5)), remote.Key(testKey(1, "package"))
	allocs := testing.AllocsPerRun(100, func() {
		if _, found, _, _ := x.get(hit); !found {
			t.Error("a hit is missed")
		}
		if _, found, _, _ := x.get(miss); found {
			t.Error("a miss is found")
		}
	})
	if allocs != 0 {
		t.Errorf("two lookups allocate %v times", allocs)
	}
}

// TestEmptiedFolderFillsAgain: the kernel asks for nothing below a folder that
// holds nothing. What another host publishes there is found nevertheless.
func TestEmptiedFolderFillsAgain(t *testing.T) {
	for _, perFolder := range []bool{true, false} {
		for _, top := range []string{"", "universal"} {
			t.Run(fmt.Sprintf("%s per folder %t", top, perFolder), func(t *testing.T) {
				c := &clock{t: time.Now()}
				r := newRig(t, func(o *Options, tr *remote.Traits) {
					tr.CheapStat, tr.ListPerFolder = false, perFolder
					o.Now = c.now
				})
				r.mem.SetClock(c.now)
				key := path.Join(top, testKey(1, "package"))
				folder, _, _ := strings.Cut(key, "/")
				r.mem.Set(remote.Key(path.Dir(key)+"/.sstatefs-0123456789abcdef"), nil) // folders stay, as on WebDAV
				r.mem.Set(remote.Key(key), []byte("x"))
				r.filled()
				r.mem.Remove(remote.Key(key))
				c.add(time.Hour)
				r.filled()
				if _, err := r.Stat(context.Background(), folder); err == nil {
					t.Fatalf("%s is there and holds no object", folder)
				}
				r.mem.Set(remote.Key(key), []byte("x"))
				c.add(time.Hour)
				eventually(t, "its folder is found", func() bool {
					c.add(time.Second)
					_, err := r.Stat(context.Background(), folder)
					return err == nil
				})
			})
		}
	}
}
