package remotetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"sstatefs/remote"
)

// testDelete: many at once, those that are gone already among them.
func testDelete(s *suite) {
	const there, missing = 1000, 500
	s.fill(there)
	keep := Key(there - 1)
	var keys []remote.Key
	for i := range there + missing {
		if Key(i) != keep {
			keys = append(keys, Key(i))
		}
	}
	for range 2 {
		if err := s.r.Delete(s.ctx, keys...); err != nil {
			s.Fatalf("Delete of %d keys = %v, want success", len(keys), err)
		}
	}
	if err := s.r.Delete(s.ctx); err != nil {
		s.Errorf("Delete of nothing = %v", err)
	}
	if all := s.list(""); len(all) != 1 && !s.r.Traits().NoList {
		s.Errorf("%d objects are left, want 1", len(all))
	}
	s.wantContent(keep, Pattern(there-1, 8))
	s.wantAbsent(Key(0))
}

// testDeleteAndPut: removing the last object of a folder does not hurt what is
// put into it at the same time.
func testDeleteAndPut(s *suite) {
	var wg sync.WaitGroup
	for writer := range 4 {
		wg.Go(func() {
			mine := remote.Key("ab/cd/sstate:" + string(rune('a'+writer)))
			for range 50 {
				if err := s.r.Put(s.ctx, mine, Bytes("x"), remote.PutOptions{Create: true}); err != nil {
					s.Errorf("Put = %v", err)
				}
				if _, err := s.r.Stat(s.ctx, mine); err != nil {
					s.Errorf("Stat after Put = %v", err)
				}
				if err := s.r.Delete(s.ctx, mine); err != nil {
					s.Errorf("Delete = %v", err)
				}
			}
			if err := s.r.Put(s.ctx, mine, Bytes("last"), remote.PutOptions{Create: true}); err != nil {
				s.Errorf("Put = %v", err)
			}
		})
	}
	wg.Wait()
	for writer := range 4 {
		s.wantContent(remote.Key("ab/cd/sstate:"+string(rune('a'+writer))), []byte("last"))
	}
	s.wantNoLeftovers()
}

// testTouch: the new time is what others see.
func testTouch(s *suite) {
	key, content := Key(1), []byte("content")
	s.create(key, content)
	before := s.Now()
	s.touchAndCheck(key, content, before)
	if s.Failed() {
		return
	}
	later := s.Now().Add(time.Hour).Truncate(time.Second)
	if err := s.touch(key, content, later); err != nil {
		s.Fatalf("Touch = %v", err)
	}
	// A remote that stamps with its own clock may say now for any other time.
	info, err := s.r.Stat(s.ctx, key)
	if err != nil || info.ModTime.Before(before.Add(-s.r.Traits().TimeResolution)) || info.ModTime.After(later) {
		s.Errorf("Stat = %v, %v, want a time up to %v", info.ModTime, err, later)
	}
	s.wantContent(key, content)
	s.wantNoLeftovers()
}

// touches tells whether the remote has Touch.
func (s *suite) touches() bool { return s.r.Traits().Touch == remote.TouchOnServer }

// touch moves the time of an object in the way that the remote has.
func (s *suite) touch(key remote.Key, content []byte, t time.Time) error {
	if s.touches() {
		return s.r.Touch(s.ctx, key, t)
	}
	return s.r.Put(s.ctx, key, Bytes(content), remote.PutOptions{Refresh: true, ModTime: t})
}

// testRefresh: a put that is a touch needs an object of its size, and never
// makes one.
func testRefresh(s *suite) {
	refresh := func(content string) error {
		return s.r.Put(s.ctx, Key(1), Bytes(content), remote.PutOptions{Refresh: true})
	}
	if err := refresh("content"); !errors.Is(err, remote.ErrNotExist) {
		s.Errorf("Put with Refresh of a missing object = %v, want %v", err, remote.ErrNotExist)
	}
	s.wantAbsent(Key(1))
	s.create(Key(1), []byte("content"))
	if err := refresh("longer than it"); !errors.Is(err, remote.ErrNotExist) {
		s.Errorf("Put with Refresh of another size = %v, want %v", err, remote.ErrNotExist)
	}
	s.wantContent(Key(1), []byte("content"))
	if err := refresh("content"); err != nil {
		s.Errorf("Put with Refresh = %v", err)
	}
	s.wantContent(Key(1), []byte("content"))
	s.wantNoLeftovers()
}

// touchAndCheck touches and checks that the time is not before want.
func (s *suite) touchAndCheck(key remote.Key, content []byte, want time.Time) {
	s.Helper()
	if err := s.touch(key, content, time.Time{}); err != nil {
		s.Fatalf("Touch = %v", err)
	}
	want = want.Add(-s.r.Traits().TimeResolution)
	info, err := s.r.Stat(s.ctx, key)
	if err != nil || info.ModTime.Before(want) {
		s.Errorf("Stat after Touch = %v, %v, want at least %v", info.ModTime, err, want)
	}
	if s.r.Traits().NoList {
		return
	}
	listed := s.list("")[key].ModTime
	if listed.Sub(info.ModTime).Abs() > s.r.Traits().TimeResolution {
		s.Errorf("List after Touch = %v, want %v as Stat says", listed, info.ModTime)
	}
}

// testTouchRemoved: a touch never brings an object back.
func testTouchRemoved(s *suite) {
	if err := s.touch(Key(1), []byte("x"), time.Time{}); !errors.Is(err, remote.ErrNotExist) {
		s.Errorf("Touch of a missing object = %v, want %v", err, remote.ErrNotExist)
	}
	s.wantAbsent(Key(1))
	for range 20 {
		s.create(Key(2), []byte("x"))
		ctx, cancel := context.WithCancel(s.ctx)
		var toucher sync.WaitGroup
		toucher.Go(func() {
			for ctx.Err() == nil {
				mine := *s
				mine.ctx = ctx
				err := mine.touch(Key(2), []byte("x"), time.Time{})
				if err != nil && ctx.Err() == nil && !errors.Is(err, remote.ErrNotExist) {
					s.Errorf("Touch = %v", err)
				}
			}
		})
		if err := s.r.Delete(s.ctx, Key(2)); err != nil {
			s.Errorf("Delete = %v", err)
		}
		cancel()
		toucher.Wait()
		s.wantAbsent(Key(2))
	}
}

// testHiddenRoot: a root that is not there is a remote that does not answer,
// never one that is empty, and nobody makes it.
func testHiddenRoot(s *suite) {
	if s.HideRoot == nil {
		s.Skip("the root of this remote cannot vanish")
	}
	s.create(Key(1), []byte("x"))
	show := s.HideRoot(s.T)
	_, statErr := s.r.Stat(s.ctx, Key(1))
	_, _, getErr := s.r.Get(s.ctx, Key(1), 0)
	errs := map[string]error{
		"Stat": statErr, "Get": getErr,
		"Put":    s.r.Put(s.ctx, Key(2), Bytes("x"), remote.PutOptions{Create: true}),
		"Touch":  s.touch(Key(1), []byte("x"), s.Now()),
		"Delete": s.r.Delete(s.ctx, Key(1)),
		"List":   s.r.List(s.ctx, "", func(remote.Info) error { return nil }),
	}
	if p, ok := s.r.(remote.Prober); ok {
		errs["Probe"] = p.Probe(s.ctx)
	}
	for op, err := range errs {
		if !errors.Is(err, remote.ErrUnavailable) {
			s.Errorf("%s without a root = %v, want %v", op, err, remote.ErrUnavailable)
		}
	}
	show()
	if p, ok := s.r.(remote.Prober); ok {
		if err := p.Probe(s.ctx); err != nil {
			s.Errorf("Probe after the root came back = %v", err)
		}
	}
	s.wantContent(Key(1), []byte("x"))
	s.wantAbsent(Key(2))
}
