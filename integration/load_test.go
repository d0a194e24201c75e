package integration

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// The load test lets many clients work on one mount:
//
//	go test ./integration -run TestLoad -load.for=1h -timeout 2h
var (
	loadFor  = flag.Duration("load.for", 0, "how long the load test works, 0 for what CI does")
	loadSeed = flag.Uint64("load.seed", 0, "of the load test's choices, 0 for any")
)

const (
	loadInCI    = 40 * time.Second
	loadShort   = 8 * time.Second // with -short, and with the race detector
	loadClients = 64
	loadObjects = 20_000
)

// load is many clients on one mount, and what they know of its objects.
type load struct {
	t       *testing.T
	s       *site
	m       *mount
	seed    uint64
	objects []*loadObject
	rounds  int

	mu     sync.Mutex
	failed int
	took   map[string]*latencies
}

// TestLoad works for a while on a directory and on a server, and looks for
// errors, wrong bytes, and anything that grows.
func TestLoad(t *testing.T) {
	needsRoot(t) // the kernel is to forget what it knows
	length, seed := *loadFor, *loadSeed
	switch {
	case length > 0:
	case testing.Short(), raceDaemon: // what is slow there is the detector
		length = loadShort
	default:
		length = loadInCI
	}
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1e9
	}
	places := []place{indexed(), near()[0]}
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			t.Logf("-load.seed=%d -load.for=%v", seed, length)
			underLoad(t, newSiteOn(t, p), seed, length/time.Duration(len(places)))
		})
	}
}

func underLoad(t *testing.T, s *site, seed uint64, length time.Duration) {
	t.Helper()
	l := &load{t: t, s: s, seed: seed, objects: loadKeys(), took: map[string]*latencies{}}
	l.fill()
	l.m = s.mount("a", "--publish=queue", "--touch-interval=1h")
	l.work(length / 4)
	before := l.usage()
	l.work(length * 3 / 4)
	after := l.usageAfter(before)
	l.report()
	l.compare()
	l.m.mustCount("queue.objects", 0, "queue.bytes", 0, "queue.held", 0, "remote.errors", 0)
	if left := files(t, l.m.cache+"/fetch"); len(left) > 0 {
		t.Errorf("temporaries are left in the cache: %v", left)
	}
	n := l.goroutines() // ends the daemon
	t.Logf("after a quarter: %v; after all: %v, %d goroutines", before, after, n)
	if n > 2*after.descriptors+loadGrowth { // an idle connection has two
		t.Errorf("%d goroutines with %d descriptors", n, after.descriptors)
	}
}

// loadShift is how long clients work at a time: 64 of them publish more than a
// server on the same CPUs takes.
const loadShift = time.Minute

// work lets all clients work for a while, in shifts.
func (l *load) work(length time.Duration) {
	l.t.Helper()
	for end := time.Now().Add(length); time.Now().Before(end); {
		l.shift(min(loadShift, time.Until(end)))
	}
}

// shift lets all clients work, and waits until all is sent.
func (l *load) shift(length time.Duration) {
	l.t.Helper()
	l.m.alarm.Reset(length + 2*mountLimit)
	l.rounds++
	end := time.Now().Add(length)
	var wg sync.WaitGroup
	for n := range loadClients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := &loadClient{load: l, n: n, r: rand.New(rand.NewPCG(l.seed+uint64(n), uint64(l.rounds))), took: map[string]*latencies{}}
			for time.Now().Before(end) {
				c.something()
			}
			l.add(c.took)
		}()
	}
	wg.Wait()
	l.m.flush()
	if l.failed > 0 {
		l.t.Fatalf("%d operations failed", l.failed)
	}
}

// fail reports the first failures, and counts them all.
func (l *load) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed++; l.failed <= 10 {
		l.t.Errorf(format, args...)
	}
}

// fill puts most of the objects there before anybody works.
func (l *load) fill() {
	l.t.Helper()
	for i, o := range l.objects {
		if i%4 != 0 {
			o.begun.Store(1)
			o.done.Store(1)
			l.s.put(o.key, string(o.content(1)))
		}
	}
}

// compare checks that the remote and the mount hold what was published last.
func (l *load) compare() {
	l.t.Helper()
	l.m.alarm.Reset(mountLimit)
	want := map[string]string{}
	some := map[string]string{}
	for i, o := range l.objects {
		state := o.done.Load()
		if state%2 == 0 {
			continue
		}
		want[o.key] = sumOf(o.content(state))
		if i%10 == 0 {
			some[o.key] = want[o.key]
		}
	}
	l.s.shares(want)
	mustHoldAll(l.t, l.m.point, some)
}

// report prints how long things took.
func (l *load) report() {
	l.t.Helper()
	for _, kind := range loadKinds {
		if took := l.took[kind.name]; took != nil {
			l.t.Logf("%-8s %v", kind.name, took)
		}
	}
}

func (l *load) add(took map[string]*latencies) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind, more := range took {
		if l.took[kind] == nil {
			l.took[kind] = &latencies{}
		}
		l.took[kind].add(more)
	}
}

// TestLoadTwoHosts lets two hosts publish many names against each other: of
// each there is one winner, which both see whole.
func TestLoadTwoHosts(t *testing.T) {
	for _, p := range []place{indexed(), near()[0]} {
		t.Run(p.name, func(t *testing.T) {
			s := newSiteOn(t, p)
			keys := archives("raced", 150)
			hosts := []*mount{s.mount("a"), s.mount("b", "--publish=queue")}
			acknowledged := buildEverywhere(t, s, hosts, keys)
			for _, m := range hosts {
				m.flush()
				m.mustCount("queue.objects", 0, "queue.held", 0, "remote.errors", 0)
			}
			winners := onRemote(t, s, keys, acknowledged)
			for _, m := range hosts {
				m.refresh()
				eventuallyHolds(t, m.point, winners)
				mustHold(t, m.point, winners)
			}
			both := 0
			for _, sums := range acknowledged {
				if len(sums) > 1 {
					both++
				}
			}
			if both == 0 {
				t.Error("no name was published by both")
			}
			t.Logf("%d of %d names were published by both", both, len(acknowledged))
		})
	}
}
