package store

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// refused opens a cache that is not to be used, and gives the error.
func refused(t *testing.T, dir string) error {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir, Remote: remotetest.NewMemory(), MinFree: 1e-9})
	if err == nil {
		_, _ = s.Close(context.Background())
		t.Fatal("Open = nil, want an error")
	}
	return err
}

// TestCacheOfLinks: a cache of which a part leads elsewhere is refused, and what
// is there is left alone.
func TestCacheOfLinks(t *testing.T) {
	for _, part := range (layout{}).parts() {
		t.Run(strings.ReplaceAll(part, "/", "-"), func(t *testing.T) {
			dir, elsewhere := t.TempDir(), t.TempDir()
			victim := filepath.Join(elsewhere, "victim")
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, part)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			target := elsewhere
			if filepath.Ext(part) == "" && slices.Contains([]string{"format", "learned", "lock", "running", "synced", "misses", "log"}, part) {
				target = victim
			}
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			err := refused(t, dir)
			if !strings.Contains(err.Error(), "symbolic link") || strings.Contains(err.Error(), "\n") {
				t.Errorf("Open = %v, want a line about the link", err)
			}
			if text, err := os.ReadFile(victim); string(text) != "precious" {
				t.Errorf("what the link leads to is %q, %v", text, err)
			}
			if names, err := os.ReadDir(elsewhere); err != nil || len(names) != 1 {
				t.Errorf("where the link leads to there are %v, %v", names, err)
			}
		})
	}
}

// TestCacheOfOthers: a cache that others can write to, or own a part of, is
// refused.
func TestCacheOfOthers(t *testing.T) {
	open := t.TempDir()
	if err := os.Chmod(open, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, open); !strings.Contains(err.Error(), "every user can write to") {
		t.Errorf("Open = %v, want who can write", err)
	}
	if os.Getuid() != 0 {
		return
	}
	foreign := t.TempDir()
	objects := filepath.Join(foreign, "objects")
	if err := os.Mkdir(objects, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(objects, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, foreign); !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("Open = %v, want whose it is", err)
	}
}

// TestSharedCacheIsSecluded: the users of a shared mount cannot reach their
// scratch behind it, where they could put a link in the place of a folder.
func TestSharedCacheIsSecluded(t *testing.T) {
	for _, shared := range []bool{false, true} {
		r := newRig(t, func(o *Options, _ *remote.Traits) { o.SharedMount = shared })
		fi, err := os.Stat(r.opt.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if secluded := fi.Mode().Perm()&0o077 == 0; secluded != (shared && os.Getuid() == 0) {
			t.Errorf("shared %v: the cache has mode %v", shared, fi.Mode())
		}
	}
}

// TestIndexIsBounded: a remote that lists names without an end fails the listing,
// what was known stays.
func TestIndexIsBounded(t *testing.T) {
	r := newIndexedRig(t, nil)
	r.mem.Set(remote.Key(testKey(1, "package")), []byte("content"))
	r.filled()
	r.index.mu.Lock()
	r.index.most = 3
	r.index.mu.Unlock()
	for n := range 5 {
		r.mem.Set(remote.Key(strings.Replace(testKey(1, "package"), ".tar.zst", strings.Repeat("x", n)+".tar.zst", 1)), []byte("content"))
	}
	if _, err := r.Refresh(context.Background()); err == nil || !strings.Contains(err.Error(), "more than 3 objects") {
		t.Errorf("Refresh = %v, want a bound", err)
	}
	if e, err := r.Stat(context.Background(), testKey(1, "package")); err != nil || e.Size != 7 {
		t.Errorf("Stat = %+v, %v, want what was known", e, err)
	}
}

// FuzzCacheFiles starts a store on a cache in which one of its own files holds
// any bytes: it is refused or works, in bounded time and memory, and nothing of
// it is left that would stop the next start.
func FuzzCacheFiles(f *testing.F) {
	files := []string{"format", "learned", "running", "synced", "misses", "lock", "index/ab", "index/root", "queue/1-create/x", "queue/held/2-remove/y"}
	for i, text := range []string{
		"sstatefs cache 1\nremote memory://\nidentity \n", "sstatefs cache 99\n", "{", "\x00", "2026-01-01", "now\n", "sstatefs index 2\n\x28\xb5\x2f\xfd",
		"sstatefs index 2\nab\n?../x\n", "", strings.Repeat("x", 5000),
	} {
		f.Add(uint8(i), text)
	}
	const input, memory, limit = 8 << 10, 256 << 20, time.Minute
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		if len(text) > input {
			return
		}
		dir := t.TempDir()
		path := filepath.Join(dir, files[int(which)%len(files)])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		mem := remotetest.NewMemory()
		mem.SetTraits(remote.Traits{AtomicCreate: true})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		s, err := Open(context.Background(), Options{Dir: dir, Remote: mem, MinFree: 1e-9, Guard: quickGuard})
		if err == nil {
			_, _ = s.Stat(context.Background(), testKey(1, "package"))
			now, cancel := context.WithCancel(context.Background())
			cancel()
			_, _ = s.Close(now)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("the error has several lines: %q", err)
		}
		runtime.ReadMemStats(&after)
		if took := time.Since(begun); took > limit {
			t.Errorf("took %v", took)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > memory {
			t.Errorf("%d bytes allocated", used)
		}
	})
}
