package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// death is how the daemon of a round ends.
type death struct {
	point string // where, empty: at any moment
	nth   int    // passing of it

	after  int           // answers that are awaited, if at any moment
	jitter time.Duration // and some time more

	recovery string // where the next daemon dies, too, as it starts
	again    int    // passing of it
}

// What the points of a name need to be passed soon.
var favours = map[string]string{
	"draft": "copy", "rename": "rename", "publish.replacing": "replace", "remove": "remove", "touch": "touch", "recover.forsaken": "signed", "resend": "touch", "send.told": "recall",
}

// favours is the verb that leads to the point, or "".
func (d death) favours() string {
	for _, p := range []string{d.point, d.recovery} {
		room, _, _ := strings.Cut(p, ".")
		if verb := favours[p] + favours[room]; verb != "" {
			return verb
		}
	}
	return ""
}

// needsRemote tells whether the point is passed only with a remote that is
// there.
func (d death) needsRemote() bool {
	room, _, _ := strings.Cut(d.point, ".")
	return d.point != "" && room != "publish" && room != "rename" && room != "remove" && room != "draft" && room != "pin"
}

// needsRefusal tells whether the point is passed only with a remote that takes
// nothing.
func (d death) needsRefusal() bool { return d.point == "held.moved" }

// passedOnce are the points that a daemon passes once at most.
var passedOnce = regexp.MustCompile(`^(sync\.|stop\.|index\.root)`)

// drawDeath chooses how a round ends: every third at any moment, the others at
// the next point of the lane's tour.
func (l *lane) drawDeath(r *rand.Rand) death {
	d := death{after: r.IntN(publishers*publisherSteps + readers*readerSteps), jitter: time.Duration(r.IntN(3000)) * time.Microsecond}
	if l.owed != "" {
		return d.at(l.owed, 1, 1)
	}
	nth := 1
	if r.IntN(2) == 0 {
		nth += r.IntN(5)
	}
	if r.IntN(3) == 0 {
		return d
	}
	point := l.tour.next(l.number)
	if passedOnce.MatchString(point) {
		nth = 1
	}
	again := 1
	if point == "recover.written" || point == "recover.completed" { // passed more than once
		again += r.IntN(2)
	}
	return d.at(point, nth, again)
}

// at is d at a passing of a point, of the daemon that recovers if that is where
// the point is.
func (d death) at(point string, nth, again int) death {
	switch {
	case point == "recover.empty":
		d.point, d.nth = "queue.erased", nth // leaves what it is about
	case point == "recover.forsaken":
		d.point, d.nth = "publish.committed", 1
	case strings.HasPrefix(point, "recover."):
	default:
		d.point, d.nth = point, nth
		return d
	}
	d.recovery, d.again = point, again
	return d
}

func (d death) String() string {
	s := fmt.Sprintf("after %d answers", d.after)
	if d.point != "" {
		s = fmt.Sprintf("at %s:%d", d.point, d.nth)
	}
	if d.recovery != "" {
		s += fmt.Sprintf(", then at %s:%d", d.recovery, d.again)
	}
	return s
}

// tour leads the lanes past all points.
type tour struct {
	lanes [][]string // the points of each lane, in the order of the tour
	at    []int

	mu      sync.Mutex
	tried   map[string]int
	reached map[string]int
}

// passCall is a call in the source that names a point.
var passCall = regexp.MustCompile(`failpoint\.Pass\("([a-z.]+)"\)`)

// points are all that the source names.
func points(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	for _, dir := range []string{"../store", "../remote/file"} {
		sources, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(sources) == 0 {
			t.Fatalf("no source in %s: %v", dir, err)
		}
		for _, path := range sources {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range passCall.FindAllSubmatch(text, -1) {
				seen[string(m[1])] = true
			}
		}
	}
	all := make([]string, 0, len(seen))
	for p := range seen {
		all = append(all, p)
	}
	sort.Strings(all)
	return all
}

// needsIndex are the points that a remote without index does not lead to: there
// every publisher sees at once that another host was first.
var needsIndex = regexp.MustCompile(`^(index\.|send\.lost|send\.gaveway)`)

// needsQueue are the points that a remove in the middle of a put leads to: who
// publishes through to the remote removes behind it.
var needsQueue = regexp.MustCompile(`^send\.told`)

// needsPower are the points that a daemon passes as it starts on another boot: on
// the same one it finds written what it would write.
var needsPower = regexp.MustCompile(`^recover\.written`)

// visitedAlone are the points that a mount with --read-only passes whose cache is
// full of what must not go.
var visitedAlone = regexp.MustCompile(`^(pin|draft|rename|index|stop|sync)\.|^publish\.(synced|replacing)|^remove\.(queued|hidden|cancelled|dropped)|^recover\.(emptied|cleaned|written|running|read|checked)`)

// visitedByPut are the points of touches that send the content again.
var visitedByPut = regexp.MustCompile(`^(touch|resend)\.`)

// visitedToldOf are the points of the feed, and of what it tells of.
var visitedToldOf = regexp.MustCompile(`^(feed|send|remove|touch|index)\.`)

// leadsTo reports whether a lane passes a point.
func (k laneKind) leadsTo(point string) bool {
	if k.visit != nil {
		return k.visit.MatchString(point)
	}
	switch room, _, _ := strings.Cut(point, "."); {
	case room == "pin", room == "resend", room == "feed":
		return false
	case needsIndex.MatchString(point):
		return k.place.index()
	case needsQueue.MatchString(point):
		return !slices.Contains(k.flags, "--publish=through")
	case needsPower.MatchString(point):
		return k.power
	}
	return true
}

func newTour(t *testing.T, kinds []laneKind, seed uint64) *tour {
	t.Helper()
	tr := &tour{tried: map[string]int{}, reached: map[string]int{}, at: make([]int, len(kinds))}
	for i, kind := range kinds {
		own := slices.DeleteFunc(points(t), func(p string) bool { return !kind.leadsTo(p) })
		r := rand.New(rand.NewPCG(seed, uint64(i)<<48))
		r.Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
		tr.lanes = append(tr.lanes, own)
	}
	return tr
}

// next is the next point of a lane. Each lane has one caller.
func (tr *tour) next(lane int) string {
	own := tr.lanes[lane]
	p := own[tr.at[lane]%len(own)]
	tr.at[lane]++
	return p
}

// note counts a try, unless it was for a later passing: there may be none.
func (tr *tour) note(point string, nth int, reached bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if nth == 1 {
		tr.tried[point]++
	}
	if reached {
		tr.reached[point]++
	}
}

// tries is how often a point is tried until the test is said not to lead there:
// at some the daemon arrives by chance.
const tries = 15

// owed is a point of a lane that was tried in vain so far, or "".
func (tr *tour) owed(lane int) string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, p := range tr.lanes[lane] {
		if tr.tried[p] > 0 && tr.tried[p] < tries && tr.reached[p] == 0 {
			return p
		}
	}
	return ""
}

// report says which points were reached, and fails if one that was tried was
// not.
func (tr *tour) report(t *testing.T) {
	t.Helper()
	var missed []string
	for p := range tr.tried {
		if tr.reached[p] == 0 {
			missed = append(missed, p)
		}
	}
	sort.Strings(missed)
	t.Logf("died at %d points of %d", len(tr.reached), len(points(t)))
	if len(missed) > 0 {
		t.Errorf("the test does not lead to the points %v", missed)
	}
}

// start starts the daemon, which dies at point if that is not "". It tells
// whether the mount answered.
func (l *lane) start(point string, nth int) bool {
	l.t.Helper()
	m := l.m
	args := append([]string{"mount", "--json", "--min-free=1M", "--drain-timeout=2s", "--cache-dir", m.cache}, m.flags...)
	cmd := l.s.command(context.Background(), m.uid, l.program, append(args, m.address, m.point)...)
	if point != "" {
		cmd.Env = append(cmd.Env, fmt.Sprintf("SSTATEFS_FAILPOINT=%s:%d", point, nth))
	}
	if l.disk != nil {
		cmd.Env = append(cmd.Env, "SSTATEFS_SYNCS="+l.disk.log)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	log, err := os.OpenFile(m.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	m.cmd, m.done, m.ended = cmd, make(chan struct{}), true
	ready := make(chan bool, 1)
	go func() {
		ready <- bufio.NewScanner(stdout).Scan()
		m.err = cmd.Wait()
		close(m.done)
	}()
	if m.alarm != nil {
		m.alarm.Stop()
	}
	m.alarm = time.AfterFunc(mountLimit, m.abort)
	select {
	case ok := <-ready:
		return ok
	case <-time.After(startLimit):
		l.hangs(&plan{}, "the mount does not answer")
	}
	return false
}

// hangs ends the test and shows what the daemon is at.
func (l *lane) hangs(p *plan, what string) {
	l.t.Helper()
	l.t.Errorf("round %d: %s (killed %v, hidden %v, power %v)", p.round, what, p.death, p.hidden, p.power)
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", l.m.cmd.Process.Pid))
	for _, task := range tasks {
		stack, _ := os.ReadFile(task + "/stack") // root may
		l.t.Logf("%s: %s", task, stack)
	}
	_ = l.m.cmd.Process.Signal(syscall.SIGQUIT) // Go prints its goroutines
	within(startLimit, l.isDead)
	text, _ := os.ReadFile(l.m.logFile())
	l.t.Fatalf("%s", text[l.logged:])
}

// wasKilled waits for the end of the daemon and tells whether it was a SIGKILL.
func (l *lane) wasKilled() bool {
	l.t.Helper()
	l.m.wait()
	var exit *exec.ExitError
	if !errors.As(l.m.err, &exit) {
		return false
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == syscall.SIGKILL
}

// isDead tells whether the daemon has ended by itself.
func (l *lane) isDead() bool {
	select {
	case <-l.m.done:
		return true
	default:
		return false
	}
}

// die ends the daemon of a round as planned. A daemon that does not pass its
// point while they work is told to end, which passes some more; what it does
// then is a clean stop, as told by the result.
func (l *lane) die(p *plan) (clean bool) {
	l.t.Helper()
	d := p.death
	if d.point == "" {
		within(startLimit, func() bool { return l.isDead() || int(l.answers.Load()) >= d.after || l.idle() })
		for until := time.Now().Add(d.jitter); time.Now().Before(until); {
			continue // a sleep would end too late
		}
		if l.isDead() {
			l.t.Fatalf("round %d: the daemon ended by itself: %v", p.round, l.m.err)
		}
		l.m.kill()
		return false
	}
	if !within(startLimit, func() bool { return l.isDead() || l.idle() }) {
		l.hangs(p, "the workload hangs")
	}
	_ = l.m.cmd.Process.Signal(syscall.SIGTERM)
	killed := l.wasKilled()
	l.tour.note(d.point, d.nth, killed)
	if killed {
		return false
	}
	var exit *exec.ExitError
	if errors.As(l.m.err, &exit) && exit.ExitCode() != 3 || l.m.err != nil && exit == nil {
		l.t.Fatalf("round %d: the daemon ended with %v", p.round, l.m.err)
	}
	return true
}

// recover mounts again, over the dead mount, if so planned with a daemon that
// dies at it.
func (l *lane) recover(p *plan) {
	l.t.Helper()
	if d := p.death; d.recovery != "" {
		if l.start(d.recovery, d.again) {
			within(time.Second, l.isDead) // it checks and completes by itself
		}
		died := l.isDead() && l.wasKilled()
		l.tour.note(d.recovery, d.again, died)
		if !died {
			l.m.kill()
		}
	}
	if !l.start("", 0) {
		<-l.m.done
		l.t.Fatalf("round %d: the mount after the crash: %v", p.round, l.m.err)
	}
}
