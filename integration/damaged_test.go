package integration

import (
	"errors"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
)

// TestDamagedInDirectory puts archives that are not whole into a directory, as a
// copy leaves them that was cut off: nobody reads one to its end, and the next
// publish replaces it.
func TestDamagedInDirectory(t *testing.T) {
	onRemotes(t, []place{directory(), indexed()}, func(t *testing.T, s *site) {
		keys := archives("damaged", 3)
		const large = 2 << 20 // is read while it comes
		good := map[string]string{}
		for i, size := range []int{1000, 60_000, large} {
			noise := make([]byte, size)
			_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(noise)
			content := string(encoder().EncodeAll(noise, nil))
			good[keys[i]] = content
			s.put(keys[i], content[:len(content)-len(content)/3])
		}
		m := s.mount("a")
		for key, content := range good {
			if got, err := os.ReadFile(m.path(key)); !errors.Is(err, syscall.EIO) {
				t.Errorf("read of a damaged %s = %d bytes, %v, want %v", key, len(got), err, syscall.EIO)
			}
			m.publish(key, content)
			if got, err := os.ReadFile(m.path(key)); err != nil || string(got) != content {
				t.Errorf("read of %s = %d bytes, %v, want the %d published", key, len(got), err, len(content))
			}
		}
		m.flush()
		for key, content := range good {
			if got, err := os.ReadFile(s.far(key)); err != nil || string(got) != content {
				t.Errorf("the remote has %d bytes of %s, %v, want %d", len(got), key, err, len(content))
			}
		}
	})
}
