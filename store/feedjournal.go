package store

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"

	"sstatefs/remote/failpoint"
)

// journal keeps what this host did to the remote until the others are told:
// CACHE/feed/open, which grows, and CACHE/feed/<16 hex>, each to be one part of
// the feed. A line is written before the entry of the queue goes, so that
// kill -9 loses none: what has no line yet is sent, and told, again. A power cut
// may: others then hear of it when they list everything.
type journal struct {
	dir string

	mu    sync.Mutex // lines are written with it, in the order of what happened
	file  *os.File   // open, nil until there is something
	lines int
	lost  int64 // lines that were not written or not told
	line  []byte
}

const (
	openJournal = "open"

	// mostSealed bounds what waits: a remote that takes objects and no parts of
	// the feed is nothing to fill a disk for.
	mostSealed = 64
)

// openFeedJournal goes on where the last daemon ended.
func openFeedJournal(dir string) (*journal, error) {
	j := &journal{dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return j, err
	}
	err := os.Rename(dir+"/"+openJournal, dir+"/"+newPart())
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return j, err
}

// newPart names a part that nobody else has.
func newPart() string { return feedID(rand.Uint64()) }

// add writes news down. It never fails: what cannot be written down is told to
// nobody, and counted.
func (j *journal) add(n news) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.write(n) {
		j.lost++
		j.sealLocked() // the next line must not go on with what the disk took of this one
		return
	}
	failpoint.Pass("feed.noted")
	if j.lines++; j.lines >= feedLines {
		j.sealLocked()
	}
}

func (j *journal) write(n news) bool {
	if j.file == nil {
		if len(j.sealed()) >= mostSealed {
			return false
		}
		f, err := os.OpenFile(j.dir+"/"+openJournal, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return false
		}
		j.file = f
	}
	j.line = n.appendLine(j.line[:0])
	_, err := j.file.Write(j.line)
	return err == nil
}

// seal ends the file that grows and gives the parts that are to be told.
func (j *journal) seal() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sealLocked()
	return j.sealed()
}

func (j *journal) sealLocked() {
	if j.file == nil {
		return
	}
	j.file.Close()
	j.file, j.lines = nil, 0
	if os.Rename(j.dir+"/"+openJournal, j.dir+"/"+newPart()) != nil {
		j.lost++ // the next line goes on with the file
	}
	failpoint.Pass("feed.sealed")
}

// sealed are the names of the parts that are to be told.
func (j *journal) sealed() (parts []string) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if _, err := strconv.ParseUint(e.Name(), 16, 64); err == nil && len(e.Name()) == 16 {
			parts = append(parts, e.Name())
		}
	}
	return parts
}

// read gives the news of a part. A line that a power cut spoilt is left out.
func (j *journal) read(part string) (all []news, err error) {
	f, err := os.Open(j.dir + "/" + part)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for len(all) < 2*feedLines {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		if n, err := parseNews(strings.TrimSuffix(line, "\n")); err == nil {
			all = append(all, n)
		}
	}
	return all, nil
}

// done forgets a part that was told, or never will be.
func (j *journal) done(part string) { os.Remove(j.dir + "/" + part) }

// untold is how many changes others will not hear of.
func (j *journal) untold() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lost
}

// waiting reports whether something is to be told, and close ends the file.
func (j *journal) waiting() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file != nil || len(j.sealed()) > 0
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sealLocked()
}
