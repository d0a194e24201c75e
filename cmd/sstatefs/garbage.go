package main

import (
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// gcPercent keeps a daemon small that lives for weeks. While a million objects
// of a bucket are listed it has 158 MiB at most at the runtime's 100, 130 at 50
// and 116 at 30, which costs a tenth more CPU time: the index has no pointers.
const gcPercent = 30

const (
	// garbageWhenBusy is what a busy daemon may leave lying before the collector
	// runs, in bytes. At 30 percent of a heap of 4 MB it runs every 1.2 MB, and
	// takes a fifth of the daemon's CPU time.
	garbageWhenBusy = 32 << 20

	// A daemon is busy when two collections are closer together than busyWithin.
	busyWithin = 2 * time.Second

	// restAfter is how long after the last collection it is not any more.
	restAfter = 5 * time.Second
)

// A pacer lets the collector run less often while the daemon is busy, and gives
// the memory back when it is not. An idle daemon has nothing to wake it.
type pacer struct {
	live func() uint64 // bytes that survived the last collection
	set  func(percent int)
	free func()

	mu    sync.Mutex
	last  time.Time
	timer *time.Timer // nil while the daemon is not busy
}

// paceGarbage starts a pacer for the life of the process.
func paceGarbage() {
	p := &pacer{live: liveHeap, set: func(percent int) { debug.SetGCPercent(percent) }, free: debug.FreeOSMemory}
	p.set(gcPercent)
	p.await()
}

// await has collected called after the next collection: what nobody refers to is
// cleaned up then.
func (p *pacer) await() {
	runtime.AddCleanup(new([16]byte), func(p *pacer) {
		p.collected()
		p.await()
	}, p)
}

// collected is called after a collection.
func (p *pacer) collected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	busy := now.Sub(p.last) < busyWithin
	p.last = now
	if !busy {
		return
	}
	p.set(busyPercent(p.live()))
	if p.timer == nil {
		p.timer = time.AfterFunc(restAfter, p.rest)
	} else {
		p.timer.Reset(restAfter)
	}
}

// rest is called when no collection was needed for a while.
func (p *pacer) rest() {
	p.mu.Lock()
	p.timer = nil
	p.mu.Unlock()
	p.set(gcPercent)
	p.free()
}

// busyPercent allows garbageWhenBusy beside so much live heap.
func busyPercent(live uint64) int {
	const most = 1000 // of a heap that is next to nothing
	return int(min(most, max(gcPercent, garbageWhenBusy*100/max(live, 1))))
}

// liveHeap is what is in use just now: a moment after a collection, little more
// than what survived it. runtime/metrics would tell exactly, and costs every
// start of the program a tenth of a millisecond.
func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
