package transport

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"sstatefs/remote"
)

// everyone is the weight of one who wants a key alone.
const everyone = 1 << 30

// KeyLocks order the changes of one key in this process. A touch that copies
// there and back reads the object and writes it again: a put or delete in
// between would be undone. A lock exists only while somebody has it or waits
// for it. The zero value has no locks taken.
type KeyLocks struct {
	mu    sync.Mutex
	locks map[remote.Key]*keyLock
}

type keyLock struct {
	users int // guarded by KeyLocks.mu
	sem   *semaphore.Weighted
}

// Share waits until nobody has key alone. Its error is that of ctx.
func (k *KeyLocks) Share(ctx context.Context, key remote.Key) (unlock func(), err error) {
	return k.take(ctx, key, 1)
}

// Alone waits until nobody has key. Its error is that of ctx.
func (k *KeyLocks) Alone(ctx context.Context, key remote.Key) (unlock func(), err error) {
	return k.take(ctx, key, everyone)
}

func (k *KeyLocks) take(ctx context.Context, key remote.Key, weight int64) (func(), error) {
	lock := k.enter(key)
	if err := lock.sem.Acquire(ctx, weight); err != nil {
		k.leave(key, lock)
		return nil, err
	}
	return func() {
		lock.sem.Release(weight)
		k.leave(key, lock)
	}, nil
}

func (k *KeyLocks) enter(key remote.Key) *keyLock {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locks == nil {
		k.locks = make(map[remote.Key]*keyLock)
	}
	lock := k.locks[key]
	if lock == nil {
		lock = &keyLock{sem: semaphore.NewWeighted(everyone)}
		k.locks[key] = lock
	}
	lock.users++
	return lock
}

func (k *KeyLocks) leave(key remote.Key, lock *keyLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	lock.users--
	if lock.users == 0 {
		delete(k.locks, key)
	}
}
