package main

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPacer collects often and then not any more.
func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var set []int
		gave := 0
		p := &pacer{
			live: func() uint64 { return 4 << 20 },
			set:  func(n int) { mu.Lock(); defer mu.Unlock(); set = append(set, n) },
			free: func() { mu.Lock(); defer mu.Unlock(); gave++ },
		}
		done := func() (percents []int, freed int) {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(set), gave
		}
		for range 3 { // far apart: not busy
			time.Sleep(time.Minute)
			p.collected()
		}
		if percents, freed := done(); len(percents) > 0 || freed > 0 {
			t.Errorf("an idle daemon is set to %v and gave back memory %d times", percents, freed)
		}
		for range 50 {
			time.Sleep(busyWithin / 2)
			p.collected()
		}
		const want = 800
		if percents, freed := done(); len(percents) != 50 || slices.Min(percents) != want || freed > 0 {
			t.Errorf("a busy daemon is set to %v, want %d, and gave back memory %d times", percents, want, freed)
		}
		time.Sleep(2 * restAfter)
		synctest.Wait()
		if percents, freed := done(); percents[len(percents)-1] != gcPercent || freed != 1 {
			t.Errorf("after that it is set to %v, and gave back memory %d times", percents[50:], freed)
		}
		p.collected() // what free has collected
		time.Sleep(2 * restAfter)
		if percents, _ := done(); len(percents) != 51 {
			t.Errorf("at rest it is set to %v", percents[51:])
		}
	})
}

// TestPacerHears collects for real.
func TestPacerHears(t *testing.T) {
	heard := make(chan bool, 100)
	p := &pacer{live: liveHeap, set: func(int) { heard <- true }, free: func() {}}
	p.await()
	deadline := time.After(20 * time.Second)
	for n := 0; n < 3; {
		runtime.GC()
		select {
		case <-heard:
			n++
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatalf("heard of %d collections", n)
		}
	}
}

func TestBusyPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 1000, 1 << 20: 1000, 4 << 20: 800, 32 << 20: 100, 1 << 30: gcPercent} {
		if got := busyPercent(live); got != want {
			t.Errorf("busyPercent(%d) = %d, want %d", live, got, want)
		}
	}
}
