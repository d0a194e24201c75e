package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// The index is kept in one file per shard, INDEX/ab or INDEX/universal%ab, and
// INDEX/root, which says what else there is. Nothing is synced: a file that a
// crash left broken does not pass the checksum of its zstd frame, and a file
// that cannot be read is removed: it is only a memory of what can be asked
// again.

const (
	indexMagic = "sstatefs index 2\n"
	rootFile   = "root"
)

func shardFile(name string) string { return strings.ReplaceAll(name, "/", "%") }

// save writes the shards that changed below dir, and removes those that are
// empty. The lock is held while one shard is copied.
func (x *index) save(dir string) error {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	defer enc.Close()
	var text, file []byte
	for _, t := range x.choose(func(sh *shard) bool { return sh.dirty && sh.known }, nil) {
		snap := x.snapshot(t.sh)
		path := dir + "/" + shardFile(t.sh.name)
		if snap.isEmpty() {
			os.Remove(path)
			continue
		}
		failpoint.Pass("index.copied")
		text = snap.encode(text[:0])
		file = enc.EncodeAll(text, append(file[:0], indexMagic...))
		if err := replaceFile(path, file); err != nil {
			x.mu.Lock()
			t.sh.dirty = true
			x.mu.Unlock()
			return err
		}
	}
	return x.saveRoot(dir + "/" + rootFile)
}

// snapshot copies a shard, which then counts as saved.
func (x *index) snapshot(sh *shard) shardImage {
	x.mu.Lock()
	defer x.mu.Unlock()
	sh.dirty = false
	c := sh.content
	img := shardImage{name: sh.name, content: &content{
		dict: c.dict, hashes: slices.Clone(c.hashes), ends: slices.Clone(c.ends),
		rows: slices.Clone(c.rows), odd: maps.Clone(c.odd),
	}}
	if sh.leaves != nil {
		for i, lf := range sh.leaves {
			img.times[i], img.unlisted[i] = lf.time, x.perFolder && lf.there && !lf.known
		}
	}
	return img
}

// saveRoot writes down which shards there are, listed or not, and which folders
// may lead to more: a shard that is not among them is known to be absent.
func (x *index) saveRoot(path string) error {
	x.mu.Lock()
	lines := []string{indexMagic[:len(indexMagic)-1]}
	for name, sh := range x.shards {
		if sh.content.size() > 0 || !sh.known || x.mayHold(sh) {
			lines = append(lines, name)
		}
	}
	for name := range x.root.unexamined {
		lines = append(lines, "?"+name)
	}
	known, was := x.root.known, x.savedRoot
	x.mu.Unlock()
	slices.Sort(lines[1:])
	text := strings.Join(lines, "\n") + "\n"
	if !known || text == was {
		return nil
	}
	failpoint.Pass("index.root")
	err := replaceFile(path, []byte(text))
	if err == nil {
		x.mu.Lock()
		x.savedRoot = text
		x.mu.Unlock()
	}
	return err
}

// replaceFile is writeFileAtomic for what need not survive a power cut.
func replaceFile(path string, data []byte) error {
	tmp := path + ".new"
	err := os.WriteFile(tmp, data, 0o644)
	failpoint.Pass("index.written")
	if err == nil {
		err = os.Rename(tmp, path)
	}
	failpoint.Pass("index.renamed")
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

// load reads what save wrote. The error says how much of it was of no use.
func (x *index) load(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return err
	}
	defer dec.Close()
	var bad int
	var first error
	l := loader{index: x, dec: dec}
	for _, f := range files {
		if f.Name() == rootFile {
			continue
		}
		path := dir + "/" + f.Name()
		if err := l.shard(path, strings.ReplaceAll(f.Name(), "%", "/")); err != nil {
			os.Remove(path)
			if bad++; bad == 1 {
				first = fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	x.loadRoot(dir + "/" + rootFile)
	x.peak, x.peakAt = x.objects, x.now()
	x.dictFloor = x.dict.size()
	if bad > 0 {
		return fmt.Errorf("%d of %d files ignored: %w", bad, len(files), first)
	}
	return nil
}

// loadRoot reads what saveRoot wrote. Without it every shard that is not known
// is listed when it is asked for.
func (x *index) loadRoot(path string) {
	data, err := os.ReadFile(path)
	text := string(data)
	if err != nil || !strings.HasPrefix(text, indexMagic) || !strings.HasSuffix(text, "\n") {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.root.known, x.root.unexamined = true, map[string]bool{}
	for name := range strings.Lines(text[len(indexMagic):]) {
		name = strings.TrimSuffix(name, "\n")
		if extra, ok := strings.CutPrefix(name, "?"); ok {
			x.root.unexamined[extra] = true
		} else if sstate.IsFolder(name) {
			x.shard(name).found = true
		}
	}
	x.savedRoot = text
}

// loader reads files of shards, with buffers that serve for all.
type loader struct {
	*index
	dec  *zstd.Decoder
	text []byte
	b    builder
}

var errOldIndex = errors.New("not an index of this sstatefs")

// shard reads the file of one shard.
func (l *loader) shard(path, name string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !sstate.IsFolder(name) || !strings.HasPrefix(string(data[:min(len(data), len(indexMagic))]), indexMagic) {
		return errOldIndex
	}
	if l.text, err = l.dec.DecodeAll(data[len(indexMagic):], l.text[:0]); err != nil {
		return err
	}
	l.b = builder{dict: l.dict, items: l.b.items[:0]}
	img, err := decodeShard(l.text, name, &l.b)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	sh := l.index.shard(name)
	sh.content, sh.known, sh.found = l.b.content(), true, true
	l.objects += int64(sh.content.size())
	l.adopt(sh, img)
	return nil
}

// adopt takes over what was known of the leaves. Called with mu held.
func (x *index) adopt(sh *shard, img *shardImage) {
	for i, t := range img.times {
		if !x.perFolder && t == 0 {
			continue
		}
		lf := sh.leaf(byte(i))
		lf.time, lf.there = t, img.unlisted[i] || t != 0 || sh.content.holds(byte(i))
		lf.known = lf.there && !img.unlisted[i]
	}
}
