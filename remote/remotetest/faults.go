package remotetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"sstatefs/remote"
)

// every stands for all operations in the maps of faults.
const every = ""

// faults are the switches of a Memory. The zero value has all of them off. An
// empty operation name means every operation.
type faults struct {
	mu     sync.Mutex
	calls  map[string]int64
	before map[string]failure // instead of the operation
	after  map[string]failure // the operation is done, its answer lost
	delays map[string]time.Duration
	gates  map[string]chan struct{}
	short  int64 // bytes after which bodies end, 0 for never
	mangle bool
}

type failure struct {
	err  error
	left int // calls, negative for ever
}

// Fail makes calls of op fail with err until Fail(op, nil). An err of none of
// the six kinds becomes ErrUnavailable with that cause.
func (f *faults) Fail(op string, err error) { f.set(&f.before, op, failure{err, -1}) }

// FailNext makes the next n calls of op fail.
func (f *faults) FailNext(op string, n int, err error) { f.set(&f.before, op, failure{err, n}) }

// LoseNext lets the next n calls of op do their work and then fail, as when
// the answer got lost. It works for stat, put, touch, delete and list.
func (f *faults) LoseNext(op string, n int, err error) { f.set(&f.after, op, failure{err, n}) }

// Hang makes calls of the operations hang, whatever their context says, like
// those to a dead NFS server, until Release.
func (f *faults) Hang(ops ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gates == nil {
		f.gates = make(map[string]chan struct{})
	}
	if len(ops) == 0 {
		ops = []string{every}
	}
	for _, op := range ops {
		if f.gates[op] == nil {
			f.gates[op] = make(chan struct{})
		}
	}
}

// Release ends all hangs; the calls go on.
func (f *faults) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, gate := range f.gates {
		close(gate)
	}
	f.gates = nil
}

// Delay makes calls of op take d longer, or until their context ends.
func (f *faults) Delay(op string, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.delays == nil {
		f.delays = make(map[string]time.Duration)
	}
	f.delays[op] = d
}

// Short makes bodies end, without an error, after n bytes. 0 ends that.
func (f *faults) Short(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.short = n
}

// Mangle makes bodies hold wrong bytes.
func (f *faults) Mangle(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mangle = on
}

// Calls counts the calls of op, those that failed or hang included.
func (f *faults) Calls(op string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func (f *faults) set(m *map[string]failure, op string, fault failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *m == nil {
		*m = make(map[string]failure)
	}
	if fault.err == nil {
		delete(*m, op)
		return
	}
	(*m)[op] = fault
}

// enter is the beginning of every operation.
func (f *faults) enter(ctx context.Context, op string, key remote.Key) error {
	gate, delay, err := f.next(op)
	if gate != nil {
		<-gate
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ended := remote.Ended(ctx, "memory: "+op, key); ended != nil {
		return ended
	}
	if err != nil {
		return fail(op, key, err)
	}
	return nil
}

func (f *faults) next(op string) (gate chan struct{}, delay time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = make(map[string]int64)
	}
	f.calls[op]++
	for _, name := range []string{op, every} {
		if gate == nil {
			gate = f.gates[name]
		}
		delay = max(delay, f.delays[name])
		if err == nil {
			err = take(f.before, name)
		}
	}
	return gate, delay, err
}

// leave is the end of an operation that succeeded.
func (f *faults) leave(op string, key remote.Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := take(f.after, op); err != nil {
		return fail(op, key, err)
	}
	return nil
}

// take uses up one failure.
func take(m map[string]failure, op string) error {
	fault := m[op]
	if fault.err != nil && fault.left > 0 {
		fault.left--
		m[op] = fault
		if fault.left == 0 {
			delete(m, op)
		}
	}
	return fault.err
}

// fail classifies err as a backend would.
func fail(op string, key remote.Key, err error) error {
	var done *remote.Error
	if errors.As(err, &done) {
		return err
	}
	e := &remote.Error{Op: "memory: " + op, Key: key, Kind: remote.ErrUnavailable, Err: err}
	for _, kind := range []error{
		remote.ErrNotExist, remote.ErrExist, remote.ErrPermission,
		remote.ErrUnavailable, remote.ErrCorrupt, remote.ErrUnsupported,
	} {
		if errors.Is(err, kind) {
			e.Kind = kind
		}
	}
	return e
}

// spoil applies Short and Mangle.
func (f *faults) spoil(content []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.short > 0 {
		content = content[:min(int64(len(content)), f.short)]
	}
	if f.mangle && len(content) > 0 {
		content = append([]byte{^content[0]}, content[1:]...)
	}
	return content
}
