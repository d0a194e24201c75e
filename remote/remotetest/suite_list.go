package remotetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"sstatefs/remote"
)

// each calls f for 0 to n-1 from several goroutines.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// fill puts Key(0) to Key(n-1).
func (s *suite) fill(n int) {
	s.Helper()
	each(n, func(i int) {
		if err := s.r.Put(s.ctx, Key(i), Bytes(Pattern(i, 8)), remote.PutOptions{Create: true}); err != nil {
			s.Errorf("Put(%q) = %v", Key(i), err)
		}
	})
	if s.Failed() {
		s.FailNow()
	}
}

// testList: everything below a prefix and nothing else, with its size and
// time.
func testList(s *suite) {
	s.needList()
	s.fill(200)
	all := s.list("")
	if len(all) != 200 {
		s.Errorf("List gives %d objects, want 200", len(all))
	}
	for i := range 200 {
		stat, err := s.r.Stat(s.ctx, Key(i))
		info := all[Key(i)]
		off := info.ModTime.Sub(stat.ModTime).Abs() // rclone rounds the two in different ways
		if err != nil || info.Size != int64(i) || off > s.r.Traits().TimeResolution {
			s.Errorf("List gives %+v, Stat %+v, %v", info, stat, err)
		}
	}
	for _, prefix := range []string{"03", "03/05", "03/0", "ff", "ff/ff", "03/05/sstate:x", string(Key(3))} {
		want := 0
		for key := range all {
			if len(key) > len(prefix) && string(key[:len(prefix)+1]) == prefix+"/" {
				want++
			}
		}
		if got := s.list(prefix); len(got) != want {
			s.Errorf("List(%q) gives %d objects, want %d", prefix, len(got), want)
		}
	}
}

// testListWhileChanging: what stays is listed exactly once.
func testListWhileChanging(s *suite) {
	s.needList()
	const stable, moving = 150, 20
	s.fill(stable)
	done := make(chan struct{})
	var changer sync.WaitGroup
	changer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			key := Key(stable + i%moving)
			if err := s.r.Put(s.ctx, key, Bytes("x"), remote.PutOptions{}); err != nil {
				s.Errorf("Put = %v", err)
			}
			s.replaceStable(i % stable)
			if err := s.r.Delete(s.ctx, key); err != nil {
				s.Errorf("Delete = %v", err)
			}
		}
	})
	for range 10 {
		all := s.list("") // fails when something comes twice
		for i := range stable {
			if _, ok := all[Key(i)]; !ok {
				s.Errorf("List misses %q", Key(i))
			}
		}
	}
	close(done)
	changer.Wait()
	s.wantNoLeftovers()
}

// replaceStable puts the same content once more.
func (s *suite) replaceStable(i int) {
	if err := s.r.Put(s.ctx, Key(i), Bytes(Pattern(i, 8)), remote.PutOptions{}); err != nil {
		s.Errorf("Put = %v", err)
	}
}

// testListError: fn is never called twice at a time, and its error comes back
// as it is.
func testListError(s *suite) {
	s.needList()
	s.fill(50)
	own := fmt.Errorf("enough: %w", remote.ErrNotExist) // of a kind that backends know
	var inside, calls atomic.Int32
	err := s.r.List(s.ctx, "", func(remote.Info) error {
		if inside.Add(1) != 1 {
			s.Errorf("fn is called twice at a time")
		}
		defer inside.Add(-1)
		if calls.Add(1) == 10 {
			return own
		}
		return nil
	})
	if err != own || calls.Load() != 10 { //nolint:errorlint // the very error
		s.Errorf("List = %v after %d calls, want %v after 10", err, calls.Load(), own)
	}
}

// testFolders: the abilities that go with listing.
func testFolders(s *suite) {
	s.needList()
	s.fill(100)
	folders, ok := s.r.(remote.FolderLister)
	if !ok {
		s.Fatalf("%T lists and is no FolderLister", s.r)
	}
	for prefix, want := range map[string]int{"": 7, "03": 13, "03/05": 0, "ff": 0} {
		names := make(map[string]bool)
		err := folders.Folders(s.ctx, prefix, func(f remote.Folder) error {
			names[f.Name] = true
			return nil
		})
		if err != nil || len(names) != want {
			s.Errorf("Folders(%q) = %v, %v, want %d", prefix, names, err, want)
		}
	}
	names, ok := s.r.(remote.NameLister)
	if !ok {
		if s.r.Traits().CheapStat {
			s.Errorf("%T has a cheap Stat and is no NameLister", s.r)
		}
		return
	}
	err := names.Names(s.ctx, "", func(string, bool) error { return nil })
	if !s.r.Traits().CheapStat && errors.Is(err, remote.ErrUnsupported) {
		return // a Guard around a remote that has no Names
	}
	s.checkNames(names)
}

func (s *suite) checkNames(lister remote.NameLister) {
	got := make(map[string]bool)
	collect := func(name string, folder bool) error {
		got[name] = folder
		return nil
	}
	if err := lister.Names(s.ctx, "03", collect); err != nil || len(got) != 13 || !got["05"] {
		s.Errorf("Names = %v, %v, want 13 folders", got, err)
	}
	clear(got)
	folder, base := Key(3).Split()
	if err := lister.Names(s.ctx, folder, collect); err != nil || len(got) == 0 || got[base] {
		s.Errorf("Names = %v, %v, want the objects of %s", got, err, folder)
	}
	if err := lister.Names(s.ctx, "ff", collect); !errors.Is(err, remote.ErrNotExist) {
		s.Errorf("Names of a missing folder = %v, want %v", err, remote.ErrNotExist)
	}
}
