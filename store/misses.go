package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"sstatefs/sstate"
)

// Miss is an archive that was looked up here, was not there, and was then made
// by a build: its signature was published through this mount, or the archive
// was and its signature, which was there already, only touched. The JSON keys
// are stable.
type Miss struct {
	Key       string    `json:"key"`       // of the signature
	Looked    time.Time `json:"looked"`    // when it was first missed
	Published time.Time `json:"published"` // when its signature came or was touched

	// Known is a signature that was there already: only the archive was gone.
	Known bool `json:"known,omitempty"`
}

const (
	// missLimit is how many misses are remembered, and how many names that
	// were looked up in vain wait for their signature: a build of everything
	// has some ten thousand tasks. About 8 MB when it is full.
	missLimit = 20_000

	// missSlack is how many lines too many CACHE/misses may have before it is
	// written anew.
	missSlack = missLimit
)

// missesHeader begins CACHE/misses. Up to version 0.1 there was none, and the
// lines were the same.
const missesHeader = "sstatefs misses 1"

// errOtherMisses is a record in another version's words.
var errOtherMisses = errors.New("written by another version, dropped")

// misses is the record of what builds did not find, newest last. It is kept in
// CACHE/misses, a line each, so that it survives a restart. A line that a crash
// cut off is left out.
type misses struct {
	path  string
	now   func() time.Time
	limit int

	mu      sync.Mutex
	seed    maphash.Seed
	looked  map[uint64]wait // archives missed, by the hash of their key
	older   map[uint64]wait // as looked, the generation before
	record  []Miss
	lines   int // of the file
	pending bytes.Buffer
}

// wait is an archive that was missed and whose signature may come.
type wait struct {
	looked int64 // ns since 1970
	made   bool  // it was published here since
}

func newMisses(path string, now func() time.Time) *misses {
	m := &misses{path: path, now: now, limit: missLimit, seed: maphash.MakeSeed()}
	m.looked, m.older = map[uint64]wait{}, map[uint64]wait{}
	return m
}

// missed notes that an archive was looked up in vain.
func (m *misses) missed(key string) {
	id := maphash.String(m.seed, key)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.looked[id]; ok {
		return
	}
	if len(m.looked) >= m.limit {
		m.older, m.looked = m.looked, make(map[uint64]wait, m.limit)
	}
	w, ok := m.older[id]
	if !ok {
		w = wait{looked: m.now().UnixNano()}
	}
	m.looked[id] = w
}

// published notes that an object came from here. A signature whose archive was
// missed makes the miss complete.
func (m *misses) published(key string) {
	archive, isSignature := strings.CutSuffix(key, sstate.SideSiginfo)
	id := maphash.String(m.seed, archive)
	m.mu.Lock()
	defer m.mu.Unlock()
	in, w := m.waiting(id)
	switch {
	case in == nil:
	case isSignature:
		m.complete(id, Miss{Key: key, Looked: time.Unix(0, w.looked)})
	default:
		w.made = true
		in[id] = w
	}
}

// touched notes that an object was used. BitBake publishes no signature that is
// there already, it touches it: after its archive was missed and made, that
// completes the miss.
func (m *misses) touched(key string) {
	archive, isSignature := strings.CutSuffix(key, sstate.SideSiginfo)
	if !isSignature {
		return
	}
	id := maphash.String(m.seed, archive)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, w := m.waiting(id); w.made {
		m.complete(id, Miss{Key: key, Looked: time.Unix(0, w.looked), Known: true})
	}
}

// waiting finds an archive that was missed, and the generation it is in, nil
// for none. Called with mu held.
func (m *misses) waiting(id uint64) (in map[uint64]wait, w wait) {
	for _, in := range []map[uint64]wait{m.looked, m.older} {
		if w, ok := in[id]; ok {
			return in, w
		}
	}
	return nil, wait{}
}

// complete moves a miss to the record. Called with mu held.
func (m *misses) complete(id uint64, miss Miss) {
	delete(m.looked, id)
	delete(m.older, id)
	miss.Published = m.now()
	m.add(miss)
	m.pending.WriteString(miss.line())
}

// add appends to the record and forgets the oldest. Called with mu held.
func (m *misses) add(miss Miss) {
	m.record = append(m.record, miss)
	if len(m.record) >= 2*m.limit {
		m.record = append([]Miss(nil), m.record[len(m.record)-m.limit:]...)
	}
}

// latest is what is remembered. Called with mu held.
func (m *misses) latest() []Miss { return m.record[max(0, len(m.record)-m.limit):] }

// since gives the misses that were completed at or after t, newest last.
func (m *misses) since(t time.Time) []Miss {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := []Miss{}
	for _, miss := range m.latest() {
		if !miss.Published.Before(t) {
			found = append(found, miss)
		}
	}
	return found
}

// knownMark stands before the key of a miss whose signature was there already.
// No key begins so: its first folder has no space.
const knownMark = "known "

// line is a miss as the file has it: two times in nanoseconds since 1970 and
// the key, which has no control characters.
func (m Miss) line() string {
	mark := ""
	if m.Known {
		mark = knownMark
	}
	return fmt.Sprintf("%d %d %s%s\n", m.Looked.UnixNano(), m.Published.UnixNano(), mark, m.Key)
}

func parseMiss(line string) (Miss, bool) {
	looked, rest, _ := strings.Cut(line, " ")
	published, key, _ := strings.Cut(rest, " ")
	key, known := strings.CutPrefix(key, knownMark)
	l, err := strconv.ParseInt(looked, 10, 64)
	p, err2 := strconv.ParseInt(published, 10, 64)
	n, ok := sstate.ParsePath(key)
	if err != nil || err2 != nil || !ok || n.Side != sstate.SideSiginfo {
		return Miss{}, false
	}
	return Miss{Key: key, Looked: time.Unix(0, l), Published: time.Unix(0, p), Known: known}, true
}

// load reads the file.
func (m *misses) load() error {
	f, err := os.Open(m.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if m.lines++; m.lines == 1 && isOtherMisses(sc.Text()) {
			m.lines = 0
			return errors.Join(errOtherMisses, os.Remove(m.path))
		}
		if miss, ok := parseMiss(sc.Text()); ok {
			m.add(miss)
		}
	}
	return sc.Err()
}

// isOtherMisses tells the header of another version.
func isOtherMisses(first string) bool {
	return strings.HasPrefix(first, "sstatefs ") && first != missesHeader
}

// save brings what came since the last save to the file. It is for one
// goroutine at a time.
func (m *misses) save() error {
	m.mu.Lock()
	text := bytes.Clone(m.pending.Bytes())
	came := bytes.Count(text, []byte{'\n'})
	anew := came > 0 && (m.lines == 0 || m.lines+came > m.limit+missSlack)
	if anew {
		text = append(text[:0], missesHeader+"\n"...)
		for _, miss := range m.latest() {
			text = append(text, miss.line()...)
		}
	}
	m.pending.Reset()
	m.mu.Unlock()
	if len(text) == 0 {
		return nil
	}
	var err error
	if anew {
		m.lines = bytes.Count(text, []byte{'\n'})
		err = writeFileAtomic(m.path, text)
	} else {
		m.lines += came
		err = appendTo(m.path, text)
	}
	if err != nil {
		m.lines = m.limit + missSlack // the next save has all that this one lost
	}
	return err
}

// appendTo writes at the end of a file. A line that a crash cut off there gets
// its end first.
func appendTo(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	var last [1]byte
	if st, e := f.Stat(); e == nil && st.Size() > 0 {
		if _, e := f.ReadAt(last[:], st.Size()-1); e == nil && last[0] != '\n' {
			text = append([]byte{'\n'}, text...)
		}
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// Misses gives what builds looked up here in vain and made afterwards, from t
// on, newest last.
func (s *Store) Misses(t time.Time) []Miss { return s.misses.since(t) }

func (s *Store) saveMisses() {
	if err := s.misses.save(); err != nil {
		s.quiet.warn("record of misses not saved", "error", err)
	}
}
