package integration

import (
	"fmt"
	"math/bits"
	"os"
	"strings"
	"time"
)

// loadUsage is what a daemon uses when it has nothing to do.
type loadUsage struct {
	descriptors int
	memory      int64 // resident, bytes
	objects     int64 // in its cache
}

// loadGrowth is how many descriptors, or goroutines, are no growth: connections
// are kept for a while.
const loadGrowth = 40

func (u loadUsage) String() string {
	return fmt.Sprintf("%d descriptors, %d MiB for %d objects", u.descriptors, u.memory>>20, u.objects)
}

// usage tells the daemon's, after the kernel has given back what it kept open.
func (l *load) usage() loadUsage {
	l.t.Helper()
	forget(l.t)
	var u loadUsage
	u.descriptors = l.m.descriptors()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.m.cmd.Process.Pid))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if _, err := fmt.Sscan(rest, &u.memory); err != nil {
				l.t.Fatalf("%q: %v", line, err)
			}
			u.memory <<= 10 // it is in kB
		}
	}
	u.objects = l.m.count("cache.objects")
	return u
}

// grown tells what has become more than it was before, empty if nothing has.
func (u loadUsage) grown(before loadUsage) string {
	slack := int64(32 << 20) // what a collection has not freed yet
	if raceDaemon {
		slack *= 8
	}
	switch {
	case u.descriptors > before.descriptors+loadGrowth:
		return fmt.Sprintf("%d descriptors, %d before", u.descriptors, before.descriptors)
	case u.memory > before.memory+before.memory/4+slack:
		return fmt.Sprintf("%d MiB resident, %d before", u.memory>>20, before.memory>>20)
	}
	return ""
}

// usageAfter is usage, compared with that of before much work. The runtime
// collects only while it is busy, and gives memory back slowly: it is kept busy
// until it has, for a while.
func (l *load) usageAfter(before loadUsage) loadUsage {
	l.t.Helper()
	u := l.usage()
	within(30*time.Second, func() bool {
		if u.grown(before) == "" {
			return true
		}
		files(l.t, l.m.point)
		u = l.usage()
		return false
	})
	if what := u.grown(before); what != "" {
		l.t.Error(what)
	}
	return u
}

// goroutines counts the daemon's goroutines and ends it: the runtime prints
// them when it is told to quit.
func (l *load) goroutines() int {
	l.t.Helper()
	before, err := os.ReadFile(l.m.logFile())
	if err != nil {
		l.t.Fatal(err)
	}
	l.m.ended = true
	l.m.signal("QUIT")
	l.m.wait()
	l.m.alarm.Stop()
	after, err := os.ReadFile(l.m.logFile())
	if err != nil {
		l.t.Fatal(err)
	}
	n := strings.Count(string(after[len(before):]), "\ngoroutine ")
	if n == 0 {
		l.t.Error("the daemon does not print its goroutines")
	}
	return n
}

// latencies counts durations in steps of an eighth of a power of two.
type latencies struct {
	buckets [64 * 8]int64
	n       int64
	max     time.Duration
}

func (l *latencies) note(d time.Duration) {
	l.n++
	l.max = max(l.max, d)
	l.buckets[bucketOf(d)]++
}

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 8))
	top := bits.Len64(v) - 1
	return top*8 + int(v>>(top-3)&7)
}

func (l *latencies) add(more *latencies) {
	l.n += more.n
	l.max = max(l.max, more.max)
	for i, n := range more.buckets {
		l.buckets[i] += n
	}
}

// at is the duration that a part of all does not exceed.
func (l *latencies) at(part float64) time.Duration {
	left := int64(part * float64(l.n))
	for i, n := range l.buckets {
		if left -= n; left < 0 {
			return min(l.max, time.Duration(uint64(8+i%8+1)<<(i/8-3)))
		}
	}
	return l.max
}

func (l *latencies) String() string {
	const digits = 10 * time.Microsecond
	return fmt.Sprintf("%8d times, half within %v, 90 %% %v, 99 %% %v, 99.9 %% %v, all %v", l.n,
		l.at(.5).Round(digits), l.at(.9).Round(digits), l.at(.99).Round(digits), l.at(.999).Round(digits), l.max.Round(digits))
}
