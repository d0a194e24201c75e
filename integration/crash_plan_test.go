package integration

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"sstatefs/sstate"
)

// A step is one thing that a process does with one object.
type step struct {
	verb    string
	key     string
	sum     string // of what it offers, for verb recall for a moment only
	sigSum  string // of its .sig, for verb signed
	made    string // where the process finds that
	begun   bool
	outcome string // ack, exists, gone, fail, read; empty: it was cut off
	detail  string
}

// offers reports whether the step gives its object a content.
func (st *step) offers() bool { return st.sum != "" }

// leaves is the sum that the object has once the step is acknowledged.
func (st *step) leaves() string {
	if st.verb == "recall" {
		return absent
	}
	return st.sum
}

// cast is how many processes of each kind there are in a lane, and how much
// each does in a round.
const (
	publishers     = 3
	readers        = 2
	publisherSteps = 8
	readerSteps    = 12
)

// plan is what happens in one round.
type plan struct {
	round  int
	death  death
	hidden bool // the remote is away while they work
	power  bool // the power fails with the daemon
	rewind int  // answers until the moment to which it sets back what is on disk; negative: to none
	refuse bool // the remote takes nothing while they work
	clean  bool // the daemon stopped by itself after all
	steps  [][]*step
	theirs []theirs // what another host has published just before
}

// theirs is an object of another host.
type theirs struct{ key, made, sum string }

// all are the steps of all processes.
func (p *plan) all() []*step { return slices.Concat(p.steps...) }

// planner draws a plan. What it draws depends on the seed alone, never on what
// happened, so that a schedule can be played again.
type planner struct {
	l     *lane
	r     *rand.Rand
	p     *plan
	taken map[string]bool // keys that have their step in this round
	fresh []string
}

// verbs of publishers, as often as they are drawn.
var verbs = []string{
	"link", "link", "link", "link", "rename", "rename", "replace", "replace", "signed", "copy", "recall", "remove", "remove", "touch", "touch",
}

// draw makes the plan of a round.
func (l *lane) draw(round int) *plan {
	l.t.Helper()
	d := &planner{
		l: l, p: &plan{round: round}, taken: map[string]bool{},
		r: rand.New(rand.NewPCG(l.seed, uint64(l.number)<<32|uint64(round))),
	}
	d.p.death = l.drawDeath(d.r)
	d.p.power = l.power && d.r.IntN(2) == 0
	d.p.hidden = d.r.IntN(4) == 0 && !d.p.death.needsRemote()
	d.p.refuse = !l.isServed() && (d.p.death.needsRefusal() || d.r.IntN(8) == 0 && !d.p.hidden && !d.p.death.needsRemote())
	d.p.drawRewind(d.r)
	favourite := d.p.death.favours()
	for i := range publishers {
		var steps []*step
		for range publisherSteps {
			verb := verbs[d.r.IntN(len(verbs))]
			if favourite == "signed" || favourite != "" && d.r.IntN(3) > 0 {
				verb = favourite
			}
			steps = append(steps, d.publisherStep(verb))
		}
		d.p.steps = append(d.p.steps, steps)
		if i == 1 {
			d.contend()
		}
	}
	d.others()
	for range readers {
		d.p.steps = append(d.p.steps, d.readerSteps())
	}
	return d.p
}

// publisherStep is a step with a key that no other step has.
func (d *planner) publisherStep(verb string) *step {
	switch verb {
	case "replace":
		if key := d.old(sstate.SideSiginfo); key != "" {
			return d.offer("rename", key)
		}
		return d.offer("rename", d.new()+sstate.SideSiginfo)
	case "remove", "touch":
		if key := d.old(""); key != "" {
			return &step{verb: verb, key: key}
		}
		return d.offer("link", d.new())
	case "rename":
		return d.offer(verb, d.new()+sstate.SideSiginfo)
	}
	return d.offer(verb, d.new())
}

// new is the key of an archive that nobody has used.
func (d *planner) new() string {
	key := archives(fmt.Sprintf("r%dn%d", d.p.round, len(d.fresh)), 4)[d.r.IntN(4)]
	d.fresh = append(d.fresh, key)
	d.taken[key] = true
	return key
}

// old is the key of an earlier round that ends in side and has no step yet, or
// "". Signed archives are left as they are.
func (d *planner) old(side string) string {
	for range 20 {
		if len(d.l.keys) == 0 {
			break
		}
		key := d.l.keys[d.r.IntN(len(d.l.keys))]
		if !d.taken[key] && strings.HasSuffix(key, side) && !d.l.signed[key] {
			d.taken[key] = true
			return key
		}
	}
	return ""
}

// offer is a step that publishes a new content.
func (d *planner) offer(verb, key string) *step {
	made, sum := d.l.make(key, d.r.Uint64())
	st := &step{verb: verb, key: key, made: made, sum: sum}
	if verb == "signed" {
		st.sigSum = d.l.makeFile(made+sstate.SideSig, fmt.Appendf(nil, "signature of %s", sum))
		d.l.signed[key] = true
	}
	return st
}

// contend lets the first two publishers publish the same two keys.
func (d *planner) contend() {
	for range 2 {
		key := d.new()
		for i := range 2 {
			at := d.r.IntN(len(d.p.steps[i]) + 1)
			d.p.steps[i] = slices.Insert(d.p.steps[i], at, d.offer("link", key))
		}
	}
}

// others lets another host be first with a key. Where every name is asked for
// at the remote ours never begins; behind an index it loses.
func (d *planner) others() {
	if d.p.hidden {
		return
	}
	st := d.offer("link", d.new())
	made, sum := d.l.make(st.key, d.r.Uint64())
	d.p.theirs = append(d.p.theirs, theirs{st.key, made, sum})
	d.p.steps[0] = slices.Insert(d.p.steps[0], d.r.IntN(len(d.p.steps[0])+1), st)
}

// readerSteps read what is old and what is just being made.
func (d *planner) readerSteps() []*step {
	var steps []*step
	for range readerSteps {
		from := d.l.keys
		if len(from) == 0 || d.r.IntN(3) == 0 {
			from = d.fresh
		}
		steps = append(steps, &step{verb: "read", key: from[d.r.IntN(len(from))]})
	}
	return steps
}

// contents makes files of the formats that BitBake writes.
type contents struct {
	dir string
	enc *zstd.Encoder
}

func newContents(t *testing.T, dir string) *contents {
	t.Helper()
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	return &contents{dir: dir, enc: enc}
}

// make writes a content for a key, another one for every nonce, and returns its
// path and sum.
func (l *lane) make(key string, nonce uint64) (path, sum string) {
	l.t.Helper()
	r := rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%s %d", key, nonce)))
	size := 200 + r.Uint64()%4000
	if r.Uint64()%16 == 0 {
		size = 60_000
	}
	noise := make([]byte, size)
	_, _ = r.Read(noise)
	if !strings.HasSuffix(key, sstate.SideSiginfo) {
		noise = tarOf(l.t, noise)
	}
	path = filepath.Join(l.contents.dir, fmt.Sprintf("%s-%d", filepath.Base(key)[:20], nonce))
	return path, l.makeFile(path, l.contents.enc.EncodeAll(noise, nil))
}

func (l *lane) makeFile(path string, data []byte) (sum string) {
	l.t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		l.t.Fatal(err)
	}
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func tarOf(t *testing.T, payload []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: "payload", Mode: 0o644, Size: int64(len(payload))})
	if err == nil {
		_, err = w.Write(payload)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A worker is a process that performs steps: it outlives the daemon, and what
// it says is the log of what was acknowledged.
type worker struct {
	l    *lane
	in   io.WriteCloser
	gone chan struct{}

	mu    sync.Mutex
	steps []*step
}

// worker starts one.
func (l *lane) worker() *worker {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := l.s.command(ctx, os.Getuid(), python, filepath.Join(scripts, "crash.py"))
	in, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	w := &worker{l: l, in: in, gone: make(chan struct{})}
	go func() {
		defer close(w.gone)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			w.hear(scan.Text())
		}
		_ = cmd.Wait()
	}()
	l.t.Cleanup(func() {
		in.Close()
		cancel()
		<-w.gone
	})
	return w
}

// hear takes one line of the log.
func (w *worker) hear(line string) {
	word, rest, _ := strings.Cut(line, " ")
	if word == "end" {
		w.l.working.Add(-1)
		return
	}
	number, detail, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(number)
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.steps[n]
	switch {
	case word == "begin":
		st.begun = true
	case st.outcome == "": // what fails after it was answered was answered
		st.outcome, st.detail = word, detail
		w.l.answers.Add(1)
	}
}

// begin hands over a plan.
func (w *worker) begin(root string, steps []*step) {
	w.l.t.Helper()
	list := [][]string{}
	for _, st := range steps {
		list = append(list, []string{st.verb, st.key, st.made})
	}
	line, err := json.Marshal(map[string]any{"root": root, "steps": list})
	if err == nil {
		w.mu.Lock()
		w.steps = steps
		w.mu.Unlock()
		w.l.working.Add(1)
		_, err = w.in.Write(append(line, '\n'))
	}
	if err != nil {
		w.l.t.Fatalf("worker: %v", err)
	}
}
