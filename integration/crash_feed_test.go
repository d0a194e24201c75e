package integration

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"sstatefs/remote"
)

// feedFolder is where the change feed is on a remote.
const feedFolder = "sstatefs-feed/"

// isTold checks that the feed tells of what became of objects, which another
// host would hear of otherwise with its next listing of all: the last word on an
// object that is there is that it came, and on one that is not that it went.
// What another tool has published is told by nobody.
func (l *lane) isTold(p *plan, keys []string) {
	l.t.Helper()
	if !l.feed {
		return
	}
	told := l.told(p)
	for _, key := range keys {
		op, far := told[key].op, l.far(key)
		switch {
		case l.object(key).theirs != absent:
		case far != absent && op != "+":
			l.t.Errorf("round %d: %s is on the remote, and the last word of the feed on it is %q", p.round, key, op)
		case far == absent && op == "+":
			l.t.Errorf("round %d: %s is not on the remote, and the feed tells that it is", p.round, key)
		}
	}
}

// A word is what the feed tells of an object.
type word struct {
	op   string // + or -
	time string // nanoseconds, as many digits in all
}

// told is the latest word of the feed on each object.
func (l *lane) told(p *plan) map[string]word {
	l.t.Helper()
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		l.t.Fatal(err)
	}
	defer decoder.Close()
	all := map[string]word{}
	for _, name := range files(l.t, l.s.remote) {
		if !strings.HasPrefix(name, feedFolder) || remote.IsTemporary(filepath.Base(name)) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(l.s.remote, name))
		if err == nil {
			data, err = decoder.DecodeAll(data, nil)
		}
		if err != nil {
			l.t.Errorf("round %d: %s: %v", p.round, name, err)
			continue
		}
		for line := range strings.Lines(string(data)) {
			words := strings.Fields(line)
			if len(words) < 3 || words[0] != "+" && words[0] != "-" {
				continue
			}
			key := words[len(words)-1]
			if w := (word{words[0], words[len(words)-2]}); w.time >= all[key].time {
				all[key] = w
			}
		}
	}
	return all
}
