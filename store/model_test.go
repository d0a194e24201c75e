package store

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// The model check lets several hosts do random things to one remote and
// compares everything they see, and everything they send, with a small model
// of the rules: see model_rules_test.go. To see a failure again, or to look
// longer:
//
//	go test ./store -run TestModel -model.seed=N
//	go test ./store -run TestModel -model.steps=1000000 -timeout 1h
var (
	modelSeed  = flag.Uint64("model.seed", 0, "of the first sequence of the model check, 0 for any")
	modelCount = flag.Int("model.steps", 0, "steps of the model check in all, 0 for what CI does")
)

const (
	modelLength = 200  // steps of one sequence
	modelInCI   = 8000 // steps in all
	modelShort  = 1000 // with -short
	modelAtOnce = 8    // sequences at a time

	modelExplained = 2 // failures that are looked into
)

// TestModel plays random sequences. Of one that fails it prints the shortest
// that still does.
func TestModel(t *testing.T) {
	seed, count := *modelSeed, *modelCount
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1e9
	}
	switch {
	case count > 0:
	case testing.Short():
		count = modelShort
	default:
		count = modelInCI
	}
	t.Logf("-model.seed=%d, %d steps", seed, count)
	failed := playSeeds(t.TempDir(), seed, uint64((count+modelLength-1)/modelLength))
	for n, game := range failed {
		if n < modelExplained {
			game.explain(t)
		} else {
			t.Errorf("the model check fails: -model.seed=%d -model.steps=%d: %v", game.seed, modelLength, game.why)
		}
	}
}

// playSeeds plays the sequences of n seeds, some at a time: they mostly wait for
// the disk. It returns those that fail.
func playSeeds(dir string, first, n uint64) (failed []*modelGame) {
	var group errgroup.Group
	group.SetLimit(modelAtOnce)
	games := make([]*modelGame, n)
	for i := range games {
		games[i] = &modelGame{dir: filepath.Join(dir, fmt.Sprint(i)), seed: first + uint64(i)}
		group.Go(func() error {
			games[i].why = games[i].play(games[i].steps())
			return nil
		})
	}
	_ = group.Wait()
	for _, game := range games {
		if game.why != nil {
			failed = append(failed, game)
		}
	}
	return failed
}

// modelGame plays sequences in the world of one seed.
type modelGame struct {
	dir    string
	seed   uint64
	played int

	failed int    // the step at which the last game failed
	why    error  // how, nil if it did not
	world  string // what it was like
}

// steps is the sequence of the seed.
func (g *modelGame) steps() []modelTurn {
	return modelSteps(rand.New(rand.NewPCG(g.seed, 1)), modelLength)
}

// explain reports a game that failed.
func (g *modelGame) explain(t *testing.T) {
	at, first := g.failed+1, g.why
	steps := g.shorten(g.steps()[:at])
	var text strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&text, "\t%v\n", s)
	}
	t.Errorf("the model check fails: -model.seed=%d -model.steps=%d, at step %d: %v\n%sthe shortest sequence found, %d steps:\n%send: %v",
		g.seed, modelLength, at, first, g.world, len(steps), &text, g.why)
}

// play plays a sequence in a fresh world, and tells how it fails.
func (g *modelGame) play(steps []modelTurn) (err error) {
	g.played++
	dir := filepath.Join(g.dir, fmt.Sprint(g.played))
	defer os.RemoveAll(dir)
	w, err := newModelWorld(dir, rand.New(rand.NewPCG(g.seed, 2)))
	if err != nil {
		return err
	}
	g.world = w.String()
	defer func() {
		for _, h := range w.hosts {
			h.link.set(linkUp)
		}
		if e := w.close(); err == nil && e != nil {
			err = fmt.Errorf("close: %w", e)
		}
	}()
	for g.failed = range steps {
		if err := w.step(steps[g.failed]); err != nil {
			return err
		}
	}
	return w.finish()
}

// shortenLimit bounds the search for the shortest sequence.
const shortenLimit = 30 * time.Second

// shorten leaves steps out as long as the rest still fails: halves at first,
// single operations in the end.
func (g *modelGame) shorten(steps []modelTurn) []modelTurn {
	end := time.Now().Add(shortenLimit)
	fails := func(s []modelTurn) bool {
		err := g.play(s)
		if err != nil {
			g.why = err
		}
		return err != nil
	}
	fails(steps)
	for size := max(1, len(steps)/2); ; size /= 2 {
		for at := 0; at < len(steps) && time.Now().Before(end); {
			rest := append(append([]modelTurn{}, steps[:at]...), steps[min(at+size, len(steps)):]...)
			if fails(rest) {
				steps = rest
			} else {
				at += size
			}
		}
		if size <= 1 {
			return g.thin(steps, end, fails)
		}
	}
}

// thin leaves out single operations of steps that have several.
func (g *modelGame) thin(steps []modelTurn, end time.Time, fails func([]modelTurn) bool) []modelTurn {
	for i := range steps {
		for n := 0; n < len(steps[i]) && len(steps[i]) > 1 && time.Now().Before(end); {
			rest := append([]modelTurn{}, steps...)
			rest[i] = append(append(modelTurn{}, steps[i][:n]...), steps[i][n+1:]...)
			if fails(rest) {
				steps = rest
			} else {
				n++
			}
		}
	}
	return steps
}
