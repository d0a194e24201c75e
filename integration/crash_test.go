package integration

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sstatefs/integration/servers"
	"sstatefs/remote"
)

var (
	crashRoundsFlag = flag.Int("crash.rounds", 200, "how often TestCrash kills the daemon")
	crashSeedFlag   = flag.Uint64("crash.seed", 0, "of the schedule of TestCrash; 0 for another one each time")
)

// laneKinds are the lanes of the crash test. The small cache makes each of them
// trim.
func laneKinds() []laneKind {
	small := func(flags ...string) []string {
		return append(flags, "--cache-size=256K", "--jobs=4", "--publish-timeout=1s")
	}
	return []laneKind{
		{name: "through", place: directory(), flags: small("--publish=through")},
		{name: "through-indexed", place: indexed(), flags: small("--publish=through")},
		{name: "queue-power-data", place: directory(), flags: small("--publish=queue", "--durability=data"), power: true, data: true},
		{name: "queue-power", place: indexed(), flags: small("--publish=queue"), power: true},
		{name: "read-only", place: indexed(), flags: small("--read-only"), power: true, alone: true, visit: visitedAlone},
		{name: "touch-by-put", place: place{name: "nginx", kind: servers.Nginx}, flags: small("--publish=queue"), visit: visitedByPut, rare: true},
		{name: "feed", place: indexed(), flags: small("--publish=queue", "--feed", "--refresh=1s", "--relist=30d"), visit: visitedToldOf, feed: true},
	}
}

// TestCrash lets builds work on a mount and kills its daemon, at any moment or
// at a point of its source, in some lanes with a power cut. After each remount
// all that was acknowledged is whole here and on the remote, and nothing else is
// partial anywhere. The processes of the builds keep the log.
//
// What is drawn follows from the seed; when the processes get to run does not.
func TestCrash(t *testing.T) {
	seed := *crashSeedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("replay: go test ./integration -run 'TestCrash$' -crash.rounds=%d -crash.seed=%d", *crashRoundsFlag, seed)
	kinds := laneKinds()
	program := crashable(t)
	tr := newTour(t, kinds, seed)
	t.Run("lanes", func(t *testing.T) {
		for i, kind := range kinds {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				l := newLane(t, kind, i, seed)
				l.program, l.tour = program, tr
				l.run(kind.share((*crashRoundsFlag + i) / len(kinds)))
			})
		}
	})
	tr.report(t)
}

// crashable builds the program with its failpoints. The race detector has other
// tests.
func crashable(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "sstatefs-crash")
	out, err := exec.Command("go", "build", "-tags", "failpoints", "-o", program, "sstatefs/cmd/sstatefs").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func newLane(t *testing.T, kind laneKind, number int, seed uint64) *lane {
	t.Helper()
	l := &lane{
		laneKind: kind, t: t, s: newSiteOn(t, kind.place), number: number, seed: seed,
		signed: map[string]bool{}, objects: map[string]*object{},
	}
	l.contents = newContents(t, l.s.mkdir("made", 0o755))
	l.m = &mount{
		s: l.s, t: t, name: "a", uid: os.Getuid(), address: l.s.address, flags: kind.flags,
		point: l.s.mkdir("mnt-a", 0o755), cache: l.s.mkdir("cache-a", 0o755),
	}
	l.s.mounts = append(l.s.mounts, l.m)
	t.Cleanup(l.admit)
	if kind.power {
		l.disk = newDisk(l.s.path("syncs"))
	}
	for range publishers + readers {
		l.workers = append(l.workers, l.worker())
	}
	return l
}

// run is the life of a lane. After its rounds it tries the points again that
// nobody came to.
func (l *lane) run(rounds int) {
	start := time.Now()
	for round := range rounds {
		l.play(l.draw(round))
		if l.t.Failed() {
			return
		}
	}
	for l.owed = l.tour.owed(l.number); l.owed != "" && rounds > 0; l.owed = l.tour.owed(l.number) {
		l.play(l.draw(rounds))
		if rounds++; l.t.Failed() {
			return
		}
	}
	l.finish(rounds)
	l.t.Logf("%d rounds in %v: %d objects, %d acknowledged, %d of them lost with the power; %d of %d power cuts changed %d names back",
		rounds, time.Since(start).Round(time.Millisecond), len(l.keys), l.acked, l.lost, l.rewinds, l.cuts, l.rewound)
}

// play plays one round: the daemon of the last one gives way to one that will
// die, under the work of all processes, and another one recovers.
func (l *lane) play(p *plan) {
	l.t.Helper()
	old := l.before(p)
	l.offer(p)
	l.age(p)
	if p.death.point != "" || l.m.cmd == nil {
		if l.m.cmd != nil {
			l.m.kill()
		}
		l.startArmed(p)
	}
	l.work(p)
	ph := l.photograph(p)
	p.clean = l.die(p)
	l.await(p)
	if p.hidden {
		l.s.show()
	}
	l.admit()
	l.account(p, old)
	if !l.isUnchecked() {
		l.mustBeWhole(p, l.m.cache+"/objects")
	}
	l.mustBeWhole(p, l.s.remote)
	damaged := map[string]bool{}
	if p.clean && l.disk != nil {
		l.disk.all(l.t, l.m.cache)
	}
	if p.power {
		l.loosen(p, old)
		if p.clean {
			ph = nil
		}
		damaged = l.cutPower(rand.New(rand.NewPCG(l.seed, uint64(p.round))), ph)
	}
	l.logged = fileSize(l.m.logFile())
	l.recover(p)
	l.settle(p)
	l.lossIsTold(p, damaged)
	if l.t.Failed() {
		l.t.Logf("round %d: killed %v, hidden %v, refused %v, power %v, clean %v", p.round, p.death, p.hidden, p.refuse, p.power, p.clean)
	}
}

// startArmed starts the daemon that is to die. Some points it passes as it
// starts.
func (l *lane) startArmed(p *plan) {
	l.t.Helper()
	if l.start(p.death.point, p.death.nth) || l.isDead() {
		return
	}
	<-l.m.done
}

// work lets another host publish and then all processes begin.
func (l *lane) work(p *plan) {
	l.t.Helper()
	for _, th := range p.theirs {
		content, err := os.ReadFile(th.made)
		if err != nil {
			l.t.Fatal(err)
		}
		l.s.put(th.key, string(content))
	}
	if p.hidden {
		l.s.hide()
	}
	if p.refuse {
		l.refuse()
	}
	l.answers.Store(0)
	for i, w := range l.workers {
		w.begin(l.m.point, p.steps[i])
	}
}

// idle tells whether all processes have come to the end of their plans.
func (l *lane) idle() bool { return l.working.Load() == 0 }

// await waits for the processes, whose file system is dead.
func (l *lane) await(p *plan) {
	l.t.Helper()
	if !within(startLimit, l.idle) {
		l.t.Fatalf("round %d: a process waits in a dead mount", p.round)
	}
}

// age lets some objects of the remote look as if nobody had used them for days:
// a touch of them has to be sent.
func (l *lane) age(p *plan) {
	then := time.Now().Add(-48 * time.Hour)
	for _, st := range p.all() {
		if st.verb == "touch" || st.verb == "read" {
			_ = os.Chtimes(l.s.far(st.key), then, then) // if it is there
		}
	}
}

// settle checks what is there after a recovery, once all is sent.
func (l *lane) settle(p *plan) {
	l.t.Helper()
	if r := l.s.run(l.m.uid, l.program, "flush", l.m.point); r.code != 0 {
		l.t.Errorf("round %d: flush: exit %d: %s%s", p.round, r.code, r.stdout, r.stderr)
	}
	if l.place.index() {
		l.m.refresh()
	}
	for _, part := range []string{"queue", "fetch", "scratch"} {
		if left := files(l.t, filepath.Join(l.m.cache, part)); len(left) > 0 {
			l.t.Errorf("round %d: %s holds %v", p.round, part, left)
		}
	}
	keys := l.keysOf(p)
	r := rand.New(rand.NewPCG(l.seed, uint64(p.round)))
	for range 10 {
		keys = append(keys, l.keys[r.IntN(len(l.keys))])
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	l.compare(p, keys, l.readAll(p, keys))
	l.isTold(p, keys)
}

// readAll reads objects through the mount, in a process of its own.
func (l *lane) readAll(p *plan, keys []string) map[string]string {
	l.t.Helper()
	steps := make([]*step, len(keys))
	for i, key := range keys {
		steps[i] = &step{verb: "read", key: key}
	}
	l.workers[0].begin(l.m.point, steps)
	if !within(startLimit, l.idle) {
		l.t.Fatalf("round %d: reading hangs", p.round)
	}
	near := map[string]string{}
	for _, st := range steps {
		switch st.outcome {
		case "read":
			near[st.key] = st.detail
		case "gone":
			near[st.key] = absent
		default:
			l.t.Errorf("round %d: reading %s: %s %s", p.round, st.key, st.outcome, st.detail)
		}
	}
	return near
}

// finish looks at everything once more, cleans and stops.
func (l *lane) finish(rounds int) {
	l.t.Helper()
	if rounds == 0 {
		return
	}
	end := &plan{round: rounds}
	l.compare(end, l.keys, l.readAll(end, l.keys))
	then := time.Now().Add(-48 * time.Hour)
	old := l.temporaries()
	for _, name := range old {
		_ = os.Chtimes(filepath.Join(l.s.remote, name), then, then) // one that is being written may have gone
	}
	if !l.alone {
		l.s.mustAs(l.m.uid, l.program, "clean", "--max-age=365d", l.m.point)
	}
	l.mustBeWhole(end, l.s.remote)
	l.m.stop()
	if left := l.temporaries(); len(left) > 0 && !l.isServed() { // nginx shows them to nobody
		l.t.Errorf("clean and a stop leave %v", left)
	}
	l.t.Logf("%d temporaries were left on the remote", len(old))
	rooms := []string{"objects", "index", "sums", "broken"}
	if l.alone {
		rooms = append(rooms, "pinned", "removed")
	}
	if l.feed {
		rooms = append(rooms, "feed")
	}
	for _, name := range files(l.t, l.m.cache) {
		room, _, below := strings.Cut(name, "/")
		if strings.HasSuffix(name, ".new") || below && !slices.Contains(rooms, room) {
			l.t.Errorf("left in the cache: %s", name)
		}
	}
}

// temporaries are the unfinished files on the remote.
func (l *lane) temporaries() []string {
	return slices.DeleteFunc(files(l.t, l.s.remote), func(name string) bool { return !remote.IsTemporary(filepath.Base(name)) })
}

func fileSize(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
