package store

import (
	"hash/maphash"
	"sync"
)

// keyLocks serialises local changes of one object. Two keys may share a lock;
// lock takes both of a pair in one order.
type keyLocks struct {
	seed maphash.Seed
	mu   [256]sync.Mutex
}

func newKeyLocks() *keyLocks { return &keyLocks{seed: maphash.MakeSeed()} }

// lock locks one or two keys and returns the unlock.
func (k *keyLocks) lock(keys ...string) (unlock func()) {
	a := int(maphash.String(k.seed, keys[0]) % uint64(len(k.mu)))
	b := a
	if len(keys) > 1 {
		b = int(maphash.String(k.seed, keys[1]) % uint64(len(k.mu)))
	}
	if a > b {
		a, b = b, a
	}
	k.mu[a].Lock()
	if a == b {
		return k.mu[a].Unlock
	}
	k.mu[b].Lock()
	return func() { k.mu[b].Unlock(); k.mu[a].Unlock() }
}

// try locks one key if nobody has it.
func (k *keyLocks) try(key string) (unlock func(), ok bool) {
	mu := &k.mu[maphash.String(k.seed, key)%uint64(len(k.mu))]
	return mu.Unlock, mu.TryLock()
}
