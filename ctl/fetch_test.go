package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"sstatefs/store"
)

// Warm of the fake fetches all, up to the first name that ends in "full". What is
// endless ends with its caller.
func (f *fakeStore) Warm(
	ctx context.Context, keys []string, o store.WarmOptions, progress func(store.WarmResult),
) (store.WarmResult, error) {
	if len(keys) > 0 && keys[0] == "endless" {
		progress(store.WarmResult{Left: 1})
		<-ctx.Done()
		return store.WarmResult{Left: 1}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var r store.WarmResult
	f.warmed = append(f.warmed, o.Warmed)
	for i, key := range keys {
		if strings.HasSuffix(key, "full") {
			r.Full, r.Left = true, int64(len(keys)-i)
			break
		}
		r.Fetched.Objects++
		r.Fetched.Bytes += 10
		progress(r)
	}
	return r, nil
}

func closedChannel(names ...string) <-chan string {
	c := make(chan string, len(names))
	for _, name := range names {
		c <- name
	}
	close(c)
	return c
}

func TestFetchGoesInBatches(t *testing.T) {
	m := serveFakes(t)
	var names []string
	for i := range 2*fetchBatch + 1 {
		names = append(names, strings.Repeat("n", 250)+fmt.Sprint(i))
	}
	result, err := m.client.Fetch(testContext(t), closedChannel(names...), 4, func(store.WarmResult) {})
	if err != nil || result.Fetched.Objects != int64(len(names)) {
		t.Fatalf("Fetch() = %+v, %v, want %d objects", result, err, len(names))
	}
	if want := []int64{0, fetchBatch * 10, 2 * fetchBatch * 10}; !slices.Equal(m.store.warmed, want) {
		t.Errorf("the requests had warmed %v, want %v", m.store.warmed, want)
	}
}

func TestFetchEndsWhenTheCacheIsFull(t *testing.T) {
	m := serveFakes(t)
	names := []string{"a", "b", "full", "c"}
	for range fetchBatch {
		names = append(names, "later")
	}
	var last store.WarmResult
	result, err := m.client.Fetch(testContext(t), closedChannel(names...), 1, func(r store.WarmResult) { last = r })
	if err != nil || !result.Full || result.Fetched.Objects != 2 {
		t.Fatalf("Fetch() = %+v, %v, want 2 objects and full", result, err)
	}
	if last != result {
		t.Errorf("the last progress is %+v, want %+v", last, result)
	}
	if len(m.store.warmed) != 1 {
		t.Errorf("%d requests, want 1: the others only push out", len(m.store.warmed))
	}
}

// A key may have 4096 bytes: no request becomes longer than the server takes.
func TestFetchOfLongNames(t *testing.T) {
	m := serveFakes(t)
	var names []string
	for i := range 50 {
		names = append(names, strings.Repeat("n", 4090)+fmt.Sprint(i))
	}
	result, err := m.client.Fetch(testContext(t), closedChannel(names...), 4, func(store.WarmResult) {})
	if err != nil || result.Fetched.Objects != int64(len(names)) {
		t.Errorf("Fetch() = %+v, %v, want %d objects", result, err, len(names))
	}
}

// The store ends with the mount, and what it fetches before.
func TestFetchEndsWithTheMount(t *testing.T) {
	m := serveFakes(t)
	begun := make(chan struct{})
	names := make(chan string, 1)
	names <- "endless"
	ended := make(chan error, 1)
	go func() {
		var once sync.Once
		_, err := m.client.Fetch(testContext(t), names, 1, func(store.WarmResult) { once.Do(func() { close(begun) }) })
		ended <- err
	}()
	<-begun
	m.mount.end()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), errEnding.Error()) {
		t.Errorf("Fetch() = %v, want %v", err, errEnding)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	m := serveFakes(t)
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if _, err := m.client.Fetch(ctx, make(chan string), 1, func(store.WarmResult) {}); !IsKind(err, KindInterrupted) {
		t.Errorf("Fetch() = %v, want interrupted", err)
	}
}
