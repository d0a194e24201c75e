package upkeep_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// endless is a remote of many objects that are made up while they are listed:
// 65,536 folders with as many archives and siginfo each.
type endless struct {
	*remotetest.Memory
	each    int
	used    time.Time
	between func() // called around each sweep
	deleted int
}

func (e *endless) Sweep(ctx context.Context, fn func(string, []remote.Info) error) error {
	e.between()
	for folder := range 1 << 16 {
		var files []remote.Info
		for i := range e.each {
			k := key(fmt.Sprint("recipe", folder), fmt.Sprintf("%04x%060x", folder, i), pkg)
			files = append(files,
				remote.Info{Key: k, Size: 1000, ModTime: e.used.Add(time.Duration(i) * time.Second)},
				remote.Info{Key: k + ".siginfo", Size: 10, ModTime: e.used})
		}
		at, _ := files[0].Key.Split()
		if err := fn(at, files); err != nil {
			return err
		}
	}
	e.between()
	return ctx.Err()
}

func (e *endless) Delete(_ context.Context, keys ...remote.Key) error {
	e.deleted += len(keys)
	return nil
}

// TestCleanMemory: half a million objects where all are known at once, 96 bytes
// for each archive with its siginfo; fewer where that makes no difference.
func TestCleanMemory(t *testing.T) {
	tests := []struct {
		name  string
		each  int // archives in a folder
		o     upkeep.CleanOptions
		limit uint64 // bytes beyond those before
		gone  int
	}{
		{"age", 2, upkeep.CleanOptions{MaxAge: 30 * day}, 4 << 20, 4 << 16},
		{"size", 4, upkeep.CleanOptions{MaxSize: 3_000 << 16}, 24 << 20, 68_158},
		{"duplicates", 2, upkeep.CleanOptions{RemoveDuplicated: true}, 32 << 20, 2 << 16},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var before, most uint64
			e := &endless{Memory: remotetest.NewMemory(), each: test.each, used: time.Now().Add(-40 * day)}
			e.between = func() {
				most = max(most, heap())
				if before == 0 {
					before = most
				}
			}
			target := &upkeep.Target{Remote: e, Now: time.Now}
			r, err := upkeep.Clean(t.Context(), target, test.o, upkeep.Silent)
			e.between()
			if err != nil || r.LookedAt.Total.Objects != int64(test.each)*2<<16 {
				t.Fatalf("Clean = %+v, %v", r, err)
			}
			t.Logf("%d removed in %.1f s, %d MB", e.deleted, r.Seconds, (most-before)>>20)
			if most-before > test.limit {
				t.Errorf("%d bytes are in memory, want at most %d", most-before, test.limit)
			}
			if e.deleted != test.gone {
				t.Errorf("%d deleted, want %d", e.deleted, test.gone)
			}
		})
	}
}

// heap is what is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
