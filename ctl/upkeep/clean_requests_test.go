package upkeep_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/integration/proxy"
	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/s3"
)

// manyObjects is how many objects the bounds are for.
const manyObjects = 100_000

// eachName calls fn for the names of many objects: a third of them archives with
// their siginfo and a third siginfo alone, over 256 folders of 16 each.
func eachName(fn func(name string)) {
	for i := range manyObjects / 3 {
		group := fmt.Sprintf("%02x/%02x/sstate:recipe:core2-64-oe-linux:1.0:r0:core2-64:14:%02x%02x%060x_", i%256, i/256%16, i%256, i/256%16, i)
		fn(group + "package.tar.zst")
		fn(group + "package.tar.zst.siginfo")
		fn(group + "compile.tar.zst.siginfo")
	}
}

// fillPlain makes plain files that are such objects. The first ones are old, the
// others were used just now. They are names of a few files, which is quicker.
func fillPlain(t *testing.T, dir string, old int) {
	t.Helper()
	const names = 10_000 // of one file: ext4 has 65,000 at most
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	n, file := 0, ""
	eachName(func(name string) {
		path := filepath.Join(dir, name)
		if n < 3*256*16 {
			must(os.MkdirAll(filepath.Dir(path), 0o755))
		}
		if n%names == 0 || n == old {
			file = path
			must(os.WriteFile(path, []byte("x"), 0o644))
		} else {
			must(os.Link(file, path))
		}
		if n < old {
			used := time.Now().Add(-40 * 24 * time.Hour)
			must(os.Chtimes(path, used, used))
		}
		n++
	})
}

// bucketTarget opens a bucket as clean does, through a proxy that counts.
func bucketTarget(t *testing.T, srv *servers.Server) (*upkeep.Target, *proxy.Proxy) {
	t.Helper()
	for _, pair := range srv.Env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	return countedBucket(t, srv.URL, srv.AddressAt)
}

// countedBucket opens the bucket of a server, whose address behind a proxy is
// what address says.
func countedBucket(t *testing.T, server string, address func(endpoint string) string) (*upkeep.Target, *proxy.Proxy) {
	t.Helper()
	p := proxy.Start(t, server)
	r, err := s3.Open(t.Context(), address(p.URL), remote.OpenOptions{Later: true, Access: remote.Access{Getenv: os.Getenv}})
	if err != nil {
		t.Fatal(err)
	}
	guard := remote.NewGuard(r, remote.GuardOptions{})
	t.Cleanup(func() {
		if err := guard.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &upkeep.Target{Remote: guard, Now: time.Now}, p
}

// wantAtMost compares what was counted with bounds; a verb without one may not
// occur.
func wantAtMost(t *testing.T, counts map[string]int, bounds map[string]int) {
	t.Helper()
	t.Logf("requests: %v", counts)
	counts["POST"] += counts["DELETE"] // of many objects, and of a single one
	delete(counts, "DELETE")
	for verb, n := range counts {
		if n > bounds[verb] {
			t.Errorf("%d %s requests, want at most %d", n, verb, bounds[verb])
		}
	}
}

// TestCleanRequests counts what clean asks of an object store: with 100,000
// objects at most 110 pages of a listing for --max-age and 220 for --max-size,
// 120 requests that delete, and no HEAD. A real server takes minutes to delete
// them all, so there a tenth of them is old.
func TestCleanRequests(t *testing.T) {
	srv := servers.Start(t, servers.Versitygw)
	const all, old = manyObjects / 3 * 3, manyObjects / 30 * 3
	fillPlain(t, srv.Data, old)

	t.Run("max-size", func(t *testing.T) {
		target, p := bucketTarget(t, srv)
		r, err := upkeep.Clean(t.Context(), target, upkeep.CleanOptions{MaxSize: all - 99}, upkeep.Silent)
		if err != nil || r.Removed.Archives.Objects != 99 || r.Removed.Total.Objects != 99 {
			t.Errorf("Clean = %+v, %v, want 99 archives removed", r, err)
		}
		// What is found is deleted within seconds: a slow machine sends 99 in two.
		wantAtMost(t, p.Counts(), map[string]int{"LIST": 220, "POST": 3, "GET": 4})
	})
	t.Run("max-age of a tenth", func(t *testing.T) {
		target, p := bucketTarget(t, srv)
		r, err := upkeep.Clean(t.Context(), target, upkeep.CleanOptions{MaxAge: 30 * 24 * time.Hour}, upkeep.Silent)
		if err != nil || r.Removed.Total.Objects != old-99 || r.Kept.Objects != all-old {
			t.Errorf("Clean = %+v, %v, want %d removed", r, err, old-99)
		}
		wantAtMost(t, p.Counts(), map[string]int{"LIST": 110, "POST": 14, "GET": 4})
	})
	t.Run("max-age of all", func(t *testing.T) {
		var names []string
		eachName(func(name string) { names = append(names, name) })
		store := newObjectStore(t, names, 40*24*time.Hour)
		t.Setenv("AWS_ACCESS_KEY_ID", "key")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		target, p := countedBucket(t, store.URL, store.address)
		r, err := upkeep.Clean(t.Context(), target, upkeep.CleanOptions{MaxAge: 30 * 24 * time.Hour}, upkeep.Silent)
		if err != nil || r.Removed.Total.Objects != all || r.Kept.Objects != 0 || len(store.gone) != all {
			t.Errorf("Clean = %+v, %v, want all removed", r, err)
		}
		wantAtMost(t, p.Counts(), map[string]int{"LIST": 110, "POST": 120, "GET": 4})
	})
}
