package store

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sstatefs/remote"
)

// The index is kept in one file per shard, INDEX/ab or INDEX/universal%ab:
// lines of size, time in nanoseconds and key. A file that does not parse is
// ignored: it is only a memory of what can be asked again.

func shardFile(name string) string { return strings.ReplaceAll(name, "/", "%") }

// save writes all shards below dir, and removes those that are empty.
func (x *index) save(dir string) error {
	x.mu.Lock()
	texts := make(map[string][]byte, len(x.shards))
	for name, sh := range x.shards {
		if sh.known && name != "" {
			texts[shardFile(name)] = sh.text()
		}
	}
	x.mu.Unlock()
	for file, text := range texts {
		path := dir + "/" + file
		if len(text) == 0 {
			os.Remove(path)
			continue
		}
		if err := writeFileAtomic(path, text); err != nil {
			return err
		}
	}
	return nil
}

func (sh *shard) text() []byte {
	var b bytes.Buffer
	for ln, lf := range sh.leaves {
		for base, st := range lf.names {
			fmt.Fprintf(&b, "%d %d %s/%s/%s\n", st.size, st.mtime, sh.name, ln, base)
		}
	}
	return b.Bytes()
}

// load reads what save wrote.
func (x *index) load(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := strings.ReplaceAll(f.Name(), "%", "/")
		infos, err := readShard(dir + "/" + f.Name())
		if err != nil {
			continue
		}
		for _, i := range infos {
			if sn, _, _ := split(i.Key); sn == name {
				x.put(i)
			}
		}
		x.mu.Lock()
		x.shard(name).known = true
		x.peak, x.peakAt = x.objects, x.now()
		x.mu.Unlock()
	}
	return nil
}

func readShard(path string) ([]remote.Info, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var infos []remote.Info
	sc := bufio.NewScanner(bytes.NewReader(data))
	for sc.Scan() {
		f := strings.SplitN(sc.Text(), " ", 3)
		if len(f) != 3 {
			return nil, fmt.Errorf("%s: bad line %q", path, sc.Text())
		}
		size, err1 := strconv.ParseInt(f[0], 10, 64)
		mtime, err2 := strconv.ParseInt(f[1], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%s: bad line %q", path, sc.Text())
		}
		infos = append(infos, remote.Info{Key: remote.Key(f[2]), Size: size, ModTime: time.Unix(0, mtime)})
	}
	return infos, sc.Err()
}
