package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

// removedNames prints objects as they go: there may be millions, so none is
// kept. As JSON they are the list "names", the first key of the result.
type removedNames struct {
	mu   sync.Mutex
	out  *bufio.Writer
	json bool
	all  bool // they are wanted
	now  func() time.Time
	n    int
	err  error // of the first write that failed
}

// removedName is one of them. The JSON keys are stable.
type removedName struct {
	Key     remote.Key `json:"key"`
	Size    int64      `json:"bytes"`
	ModTime time.Time  `json:"modified"`
}

func (p *program) newRemovedNames(all bool, now func() time.Time) *removedNames {
	return &removedNames{out: bufio.NewWriter(p.stdout), json: p.json, all: all, now: now}
}

// print is told of an object that went.
func (r *removedNames) print(info remote.Info) {
	if !r.all {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	if !r.json {
		r.note(fmt.Fprintf(r.out, "%10s  %5s  %s\n", amount.Size(info.Size), amount.Age(r.now().Sub(info.ModTime)), info.Key))
		return
	}
	text, err := json.Marshal(removedName{info.Key, info.Size, info.ModTime.UTC()})
	r.note(0, err)
	before := ","
	if r.n == 1 {
		before = `{"names":[`
	}
	r.note(fmt.Fprintf(r.out, "%s%s", before, text))
}

// workingBeside is working, unless names go to the same terminal.
func (p *program) workingBeside(names *removedNames) (report upkeep.Report, done func()) {
	if names.all && isTerminal(p.stdout) {
		return upkeep.Silent, func() {}
	}
	return p.working()
}

func (r *removedNames) note(_ int, err error) {
	if r.err == nil {
		r.err = err
	}
}

// finish ends the list: with the rest of a result as JSON, or with what was
// printed so far.
func (r *removedNames) finish(result any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.json {
		text, err := json.Marshal(result)
		r.note(0, err)
		switch {
		case r.n > 0:
			r.note(fmt.Fprintf(r.out, "],%s\n", text[1:]))
		case r.all:
			r.note(fmt.Fprintf(r.out, "{\"names\":[],%s\n", text[1:]))
		default:
			r.note(fmt.Fprintf(r.out, "%s\n", text))
		}
	}
	r.note(0, r.out.Flush())
	return r.err
}

// A keptFile gets the hashes that remain. Until they are known what had its
// name before stays. A nil one is none.
type keptFile struct {
	path string
	temp *os.File
}

// newKeptFile makes the file that is to have the name path, so that it is known
// before anything is removed whether that works.
func newKeptFile(path string) (*keptFile, error) {
	if path == "" {
		return nil, nil
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, &failure{code: exitUsage, err: fmt.Errorf("--hashes-kept: %w", err)}
	}
	return &keptFile{path, temp}, nil
}

// commit writes the hashes and gives the file its name.
func (f *keptFile) commit(hashes *upkeep.HashSet) error {
	if f == nil {
		return nil
	}
	_, err := io.WriterTo(hashes).WriteTo(f.temp)
	err = errors.Join(err, f.temp.Chmod(0o644), f.temp.Close())
	if err == nil {
		err = os.Rename(f.temp.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("--hashes-kept: %w", err)
	}
	return nil
}

// discard removes what has not got its name.
func (f *keptFile) discard() {
	if f != nil {
		f.temp.Close()
		os.Remove(f.temp.Name())
	}
}
