package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// modelFar is the remote that all hosts of a model world share, with all that
// ever happened to it: the truth that hosts are judged by.
type modelFar struct {
	*remotetest.Memory
	clock    *clock
	contents *modelContents

	mu     sync.Mutex
	seq    int // of the last event
	past   map[string][]modelVersion
	events []modelEvent // since taken
}

// modelVersion is what a key was from seq until the next version of it.
type modelVersion struct {
	seq  int
	id   int // of the content, 0 if there was none
	time time.Time
	host int // who made it so
}

// modelEvent is one request that reached the remote.
type modelEvent struct {
	seq    int
	host   int
	op     string // put, delete, touch or stat
	key    string
	id     int
	create bool
	exist  bool         // a create that found the key taken
	was    modelVersion // before a delete
	err    string       // what is wrong about it in itself
}

// outsider is the host number of whoever changes the remote without sstatefs.
const outsider = -1

func newModelFar(c *clock, contents *modelContents, traits remote.Traits) *modelFar {
	f := &modelFar{Memory: remotetest.NewMemory(), clock: c, contents: contents, past: map[string][]modelVersion{}}
	f.SetTraits(traits)
	f.SetClock(c.now)
	return f
}

// now is the number of the last event.
func (f *modelFar) now() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seq
}

// current is what a key is. Called with mu held.
func (f *modelFar) current(key string) modelVersion {
	past := f.past[key]
	if len(past) == 0 {
		return modelVersion{}
	}
	return past[len(past)-1]
}

// since are all versions of a key that counted at seq or later.
func (f *modelFar) since(key string, seq int) []modelVersion {
	f.mu.Lock()
	defer f.mu.Unlock()
	versions := append([]modelVersion{{}}, f.past[key]...)
	for len(versions) > 1 && versions[1].seq <= seq {
		versions = versions[1:]
	}
	return versions
}

// at is the last event up to a time.
func (f *modelFar) at(t time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := 0
	for _, past := range f.past {
		for _, v := range past {
			if !v.time.After(t) {
				last = max(last, v.seq)
			}
		}
	}
	return last
}

// take gives the events since the last call.
func (f *modelFar) take() []modelEvent {
	f.mu.Lock()
	defer f.mu.Unlock()
	events := f.events
	f.events = nil
	return events
}

// note numbers an event. Called with mu held.
func (f *modelFar) note(e modelEvent) int {
	f.seq++
	e.seq = f.seq
	f.events = append(f.events, e)
	return e.seq
}

// become notes a new version. Called with mu held.
func (f *modelFar) become(key string, seq, id, host int) {
	f.past[key] = append(f.past[key], modelVersion{seq, id, f.clock.now(), host})
}

// put is Put, and its event, in one step.
func (f *modelFar) put(ctx context.Context, host int, key remote.Key, content []byte, opt remote.PutOptions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := modelEvent{host: host, op: "put", key: string(key), id: f.contents.find(string(key), content), create: opt.Create}
	if e.id == 0 {
		e.err = fmt.Sprintf("sends %d bytes that nobody published", len(content))
	}
	err := f.Memory.Put(ctx, key, modelSource(content), opt)
	e.exist = errors.Is(err, remote.ErrExist)
	if err != nil && !e.exist {
		return err
	}
	if seq := f.note(e); !e.exist {
		f.MakeFolder(parent(e.key)) // its time moves, as with a rename
		f.become(e.key, seq, e.id, host)
	}
	return err
}

func (f *modelFar) delete(ctx context.Context, host int, keys ...remote.Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.Memory.Delete(ctx, keys...)
	if err != nil {
		return err
	}
	for _, key := range keys {
		was := f.current(string(key))
		seq := f.note(modelEvent{host: host, op: "delete", key: string(key), was: was})
		if was.id != 0 {
			f.become(string(key), seq, 0, host)
		}
	}
	return nil
}

func (f *modelFar) touch(ctx context.Context, host int, key remote.Key, t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, _ := f.Memory.Stat(ctx, key)
	if err := f.Memory.Touch(ctx, key, t); err != nil {
		return err
	}
	e := modelEvent{host: host, op: "touch", key: string(key)}
	if after, err := f.Memory.Stat(ctx, key); err != nil || after.ModTime.Before(before.ModTime) {
		e.err = fmt.Sprintf("moves the time from %v to %v", before.ModTime, after.ModTime)
	}
	f.note(e)
	return nil
}

type modelSource []byte

func (s modelSource) Size() int64                  { return int64(len(s)) }
func (s modelSource) Open() (io.ReadCloser, error) { return &modelBody{rest: s}, nil }

// modelBody reads bytes.
type modelBody struct{ rest []byte }

func (b *modelBody) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *modelBody) Close() error { return nil }
