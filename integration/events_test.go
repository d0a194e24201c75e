package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestEvents follows a mount while two builds run on it: a line of JSON for
// everything that happens.
func TestEvents(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		cmd := s.command(ctx, os.Getuid(), binary, "events", m.point)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		wanted := map[string]int{"miss": 3, "publish": 6, "send": 6, "hit": 3, "remove": 1}
		lines := make(chan string)
		go func() {
			defer close(lines)
			for scan := bufio.NewScanner(out); scan.Scan(); {
				lines <- scan.Text()
			}
		}()
		keys := archives("events", 3)
		// The listener is there when something arrives; until then there are misses.
		a := s.self()
		probes := s.inFolder(m, "ab/cd")
		for len(seen) == 0 {
			a.want("ENOENT", "stat", m.path(probes()))
			countEvent(t, lines, seen, 100*time.Millisecond)
		}
		clear(seen)
		s.build("build", m.point, keys).all(t, "published", keys)
		s.build("build", m.point, keys).all(t, "restored", keys)
		a.do("unlink", m.path(keys[0]))
		ok := within(startLimit, func() bool {
			countEvent(t, lines, seen, time.Second)
			for kind, n := range wanted {
				if seen[kind] < n {
					return false
				}
			}
			return true
		})
		if !ok {
			t.Errorf("events %v, want at least %v", seen, wanted)
		}
		stop()
		for range lines {
		}
		_ = cmd.Wait() // killed
	})
}

// inFolder makes a folder and gives keys of archives in it, a new one each time.
func (s *site) inFolder(m *mount, dir string) func() string {
	s.t.Helper()
	s.self().do("makedirs", m.path(dir))
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("%s/sstate:probe:all:1:r0:all:14:%s%060x_package.tar.zst", dir, strings.ReplaceAll(dir, "/", ""), n)
	}
}

// countEvent counts the next event by its kind, if one comes in time.
func countEvent(t *testing.T, lines <-chan string, seen map[string]int, limit time.Duration) {
	t.Helper()
	select {
	case line := <-lines:
		var e struct {
			Time  time.Time
			Event string
			Key   string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Time.IsZero() {
			t.Errorf("event %q: %v", line, err)
		}
		seen[e.Event]++
	case <-time.After(limit):
	}
}
