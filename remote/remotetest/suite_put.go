package remotetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"sstatefs/remote"
)

// testCreate: the second create is refused and changes nothing.
func testCreate(s *suite) {
	key, first := Key(1), Pattern(1000, 1)
	s.wantAbsent(key)
	s.create(key, first)
	err := s.r.Put(s.ctx, key, Bytes("second"), remote.PutOptions{Create: true})
	if !errors.Is(err, remote.ErrExist) {
		s.Errorf("second Put with Create = %v, want %v", err, remote.ErrExist)
	}
	s.wantContent(key, first)
	s.wantNoLeftovers()
}

// testCreateRace: of many writers one wins, and all readers see its content
// whole or nothing.
func testCreateRace(s *suite) {
	for round := range 5 {
		key := Key(100 + round)
		race := &race{suite: s, key: key}
		for i := range 8 {
			race.contents = append(race.contents, Pattern(200_000+1000*i, byte(i)))
		}
		race.run()
	}
	s.wantNoLeftovers()
}

// A race is several writers of one key, and its readers.
type race struct {
	*suite
	key      remote.Key
	contents [][]byte

	mu   sync.Mutex
	won  []int // writers
	seen map[int]bool
}

func (r *race) run() {
	r.seen = make(map[int]bool)
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() { r.watch(done) })
	}
	for i := range r.contents {
		writers.Go(func() { r.write(i) })
	}
	writers.Wait()
	close(done)
	readers.Wait()
	r.look()
	if len(r.won) == 0 {
		r.Fatalf("no writer of %q won", r.key)
	}
	if !r.r.Traits().AtomicCreate {
		return
	}
	if len(r.won) != 1 || len(r.seen) != 1 || !r.seen[r.won[0]] {
		r.Errorf("writers %v won and contents %v were seen, want one and the same", r.won, r.seen)
	}
}

func (r *race) write(i int) {
	err := r.r.Put(r.ctx, r.key, Bytes(r.contents[i]), remote.PutOptions{Create: true})
	switch {
	case err == nil:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.won = append(r.won, i)
	case !errors.Is(err, remote.ErrExist):
		r.Errorf("Put = %v, want success or %v", err, remote.ErrExist)
	}
}

// watch reads until done.
func (r *race) watch(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
			r.look()
		}
	}
}

// look reads once.
func (r *race) look() {
	content, err := r.get(r.key)
	if errors.Is(err, remote.ErrNotExist) {
		return
	}
	for i := range r.contents {
		if err == nil && bytes.Equal(content, r.contents[i]) {
			r.mu.Lock()
			r.seen[i] = true
			r.mu.Unlock()
			return
		}
	}
	r.Errorf("reader saw %d bytes, %v, want nothing or one content whole", len(content), err)
}

// testReplace: readers see the old or the new content, whole.
func testReplace(s *suite) {
	key := Key(2)
	r := &race{suite: s, key: key, seen: make(map[int]bool),
		contents: [][]byte{Pattern(300_000, 1), Pattern(200_000, 2)}}
	s.put(key, r.contents[0], remote.PutOptions{})
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() { r.watch(done) })
	}
	for i := range 10 {
		s.put(key, r.contents[1-i%2], remote.PutOptions{})
	}
	close(done)
	readers.Wait()
	s.wantContent(key, r.contents[0])
	s.wantNoLeftovers()
}

// A badSource is a Source that does not keep its word.
type badSource struct {
	size    int64 // announced
	content []byte
	openErr error
	end     error  // what follows content
	at      func() // called when content was read
}

func (b badSource) Size() int64 { return b.size }

func (b badSource) Open() (io.ReadCloser, error) {
	if b.openErr != nil {
		return nil, b.openErr
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(b.content), ending{b})), nil
}

type ending struct{ b badSource }

func (e ending) Read([]byte) (int, error) {
	if e.b.at != nil {
		e.b.at()
	}
	return 0, e.b.end
}

// testBadSource: nothing of a bad source is ever seen, and it does not harm
// what is there.
func testBadSource(s *suite) {
	broken := errors.New("disk on fire")
	content := Pattern(3<<20, 3)
	sources := map[string]badSource{
		"short":        {size: 3<<20 + 1, content: content, end: io.EOF},
		"short by all": {size: 10, end: io.EOF},
		"long":         {size: 3<<20 - 1, content: content, end: io.EOF},
		"not empty":    {size: 0, content: content[:1], end: io.EOF},
		"fails":        {size: 4 << 20, content: content, end: broken},
		"fails late":   {size: 3 << 20, content: content, end: broken},
		"not opened":   {size: 10, openErr: broken},
	}
	old := []byte("was here before")
	s.create(Key(2), old)
	for name, src := range sources {
		for key, opt := range map[remote.Key]remote.PutOptions{Key(1): {Create: true}, Key(2): {}} {
			if err := s.r.Put(s.ctx, key, src, opt); !errors.Is(err, remote.ErrCorrupt) {
				s.Errorf("Put of a source that is %s (%+v) = %v, want %v", name, opt, err, remote.ErrCorrupt)
			}
		}
		s.wantAbsent(Key(1))
		s.wantContent(Key(2), old)
	}
	s.wantNoLeftovers()
	s.create(Key(1), content)
	s.wantContent(Key(1), content)
}

// testCancelPut: a Put that its caller ends leaves nothing behind, wherever it
// was.
func testCancelPut(s *suite) {
	content := Pattern(5<<20, 4)
	for _, offset := range []int{0, 1, 1 << 20, 5<<20 - 1, 5 << 20} {
		for _, create := range []bool{true, false} {
			key := Key(offset)
			ctx, cancel := context.WithCancel(s.ctx)
			src := badSource{size: int64(len(content)), content: content[:offset], at: cancel, end: io.EOF}
			err := s.r.Put(ctx, key, src, remote.PutOptions{Create: create})
			cancel()
			if !errors.Is(err, context.Canceled) {
				s.Errorf("Put cancelled at byte %d = %v, want %v", offset, err, context.Canceled)
			}
			s.wantAbsent(key)
		}
	}
	s.wantNoLeftovers()

	ctx, cancel := context.WithCancel(s.ctx)
	if err := s.r.Put(ctx, Key(1), Bytes(content), remote.PutOptions{Create: true}); err != nil {
		s.Fatalf("Put = %v", err)
	}
	cancel() // too late
	s.wantContent(Key(1), content)
}
