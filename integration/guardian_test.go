package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pollInterval is the pause between two looks at a condition.
const pollInterval = 5 * time.Millisecond

// eventually waits for a condition, at most limit.
func eventually(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	if !within(limit, condition) {
		t.Fatalf("not within %v: %s", limit, what)
	}
}

// within reports whether a condition came true before limit had passed.
func within(limit time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(limit); ; {
		if condition() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(pollInterval)
	}
}

// tableEntry is one FUSE mount of this machine.
type tableEntry struct {
	point      string
	connection int // its name below /sys/fs/fuse/connections
}

// mountsBelow lists FUSE mounts whose mountpoint begins with prefix, the last
// mounted first. It asks the kernel's table and touches no mount.
func mountsBelow(prefix string) []tableEntry {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var found []tableEntry
	for _, line := range strings.Split(string(text), "\n") {
		left, right, _ := strings.Cut(line, " - ")
		fields := strings.Fields(left)
		if len(fields) < 5 || !strings.HasPrefix(right, "fuse") || !strings.HasPrefix(fields[4], prefix) {
			continue
		}
		_, minor, _ := strings.Cut(fields[2], ":")
		n, _ := strconv.Atoi(minor)
		found = append([]tableEntry{{fields[4], n}}, found...)
	}
	return found
}

// mountedAt finds the topmost FUSE mount at exactly this path.
func mountedAt(point string) (tableEntry, bool) {
	for _, e := range mountsBelow(point) {
		if e.point == point {
			return e, true
		}
	}
	return tableEntry{}, false
}

// abort ends the connection of a mount: every call that waits in it fails.
func (e tableEntry) abort() {
	file := filepath.Join("/sys/fs/fuse/connections", strconv.Itoa(e.connection), "abort")
	_ = os.WriteFile(file, []byte("1"), 0)
}
