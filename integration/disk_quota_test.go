package integration

import (
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestQuotaOnDisk has 64 readers go through many objects with a small cache, and
// looks at the disk meanwhile: the quota holds to within one object.
func TestQuotaOnDisk(t *testing.T) {
	t.Parallel()
	const (
		readers, each = 64, 4
		size, limit   = 64 << 10, 640 << 10
		others        = 48 << 10 // bytes that the daemon may use for its own files
	)
	s := newSite(t)
	disk := s.tmpfs("cache-a", "64M")
	want := map[string]string{}
	for _, key := range archives("sized", readers*each) {
		want[key] = s.noise(key, size)
	}
	m := s.mount("a", fmt.Sprintf("--cache-size=%dK", limit>>10))
	before := used(t, disk)
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.readsAll(want, readers)
	}()
	most, samples := int64(0), 0
	for ended := false; !ended; samples++ {
		select {
		case <-done:
			ended = true
		default:
		}
		most = max(most, used(t, disk)-before)
	}
	t.Logf("at most %d bytes of %d on the disk in %d samples", most, limit, samples)
	if most > limit+size+others {
		t.Errorf("%d bytes on the disk, the quota is %d and an object has %d", most, limit, size)
	}
	if most < limit/2 {
		t.Errorf("the cache kept %d bytes at most", most)
	}
}

// readsAll reads all of want by so many readers, and compares.
func (m *mount) readsAll(want map[string]string, readers int) {
	keys := make(chan string)
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for key := range keys {
				if got := sum(m.path(key)); got != want[key] {
					m.t.Errorf("%s: %s, want %s", key, got, want[key])
				}
			}
		})
	}
	for key := range want {
		keys <- key
	}
	close(keys)
	wg.Wait()
}

// used is what a disk holds, bytes, at one moment.
func used(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize
}
