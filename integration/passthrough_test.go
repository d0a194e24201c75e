package integration

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Readers of an object and touches that open it for writing never meet an open
// that fails, whichever of them comes first or goes last: the kernel answers
// EIO when the handles of an inode do not agree on their backing file.
func TestOpenForBoth(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	key := archives("both", 1)[0]
	s.build("archive", m.point, []string{key})
	const limit = 3 * time.Second
	end := time.Now().Add(limit)
	var wg sync.WaitGroup
	for n := range 6 {
		flags := unix.O_RDONLY
		if n%2 == 1 {
			flags = unix.O_WRONLY
		}
		wg.Go(func() {
			for tries := 0; time.Now().Before(end); tries++ {
				f, err := os.OpenFile(m.path(key), flags, 0)
				if err != nil && !errors.Is(err, unix.EINTR) {
					t.Errorf("open with flags %#x, try %d = %v", flags, tries, err)
					return
				}
				if flags == unix.O_RDONLY {
					_, _ = f.Read(make([]byte, 100))
				}
				f.Close()
			}
		})
	}
	wg.Wait()
}
