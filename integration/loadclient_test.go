package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
)

// loadObject is a name that one client publishes and removes, and all others
// use. Its states count up: in an odd one it is there, with that state's
// content.
type loadObject struct {
	key         string
	begun, done atomic.Int64 // the last state that somebody wants, and has
}

// isSignature tells objects that are replaced, and never removed.
func (o *loadObject) isSignature() bool { return strings.HasSuffix(o.key, ".siginfo") }

func (o *loadObject) absentIn(state int64) bool {
	return state == 0 || state%2 == 0 && !o.isSignature()
}

func loadKeys() []*loadObject {
	keys := archives("load", loadObjects)
	objects := make([]*loadObject, len(keys))
	for i, key := range keys {
		if i%3 == 0 {
			key += ".siginfo"
		}
		objects[i] = &loadObject{key: key}
	}
	return objects
}

// encoder packs contents; EncodeAll may be called by many at a time.
var encoder = sync.OnceValue(func() *zstd.Encoder {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		panic(err) // of constant options
	}
	return w
})

// content is what the object has in a state: an archive or a signature.
func (o *loadObject) content(state int64) []byte {
	text := fmt.Appendf(nil, "%s, state %d\n", o.key, state)
	noise := make([]byte, 200+(len(o.key)*int(state)*97)%3000)
	r := rand.New(rand.NewPCG(uint64(state), uint64(o.key[0])))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	text = append(text, noise...)
	if o.isSignature() {
		return encoder().EncodeAll(text, nil)
	}
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	_ = w.WriteHeader(&tar.Header{Name: "object", Size: int64(len(text)), Mode: 0o644})
	_, _ = w.Write(text)
	_ = w.Close() // into memory
	return encoder().EncodeAll(packed.Bytes(), nil)
}

func sumOf(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// loadKinds are what clients do, and how often.
var loadKinds = []struct {
	name   string
	weight int
	do     func(c *loadClient) error
}{
	{"restore", 40, (*loadClient).restore},
	{"miss", 20, (*loadClient).miss},
	{"touch", 15, (*loadClient).touch},
	{"list", 3, (*loadClient).list},
	{"publish", 18, (*loadClient).publish},
	{"remove", 6, (*loadClient).remove},
}

// loadClient is one of the clients.
type loadClient struct {
	*load
	n    int
	r    *rand.Rand
	made int
	took map[string]*latencies
}

// errNothing says that a client had no object for what it wanted to do.
var errNothing = errors.New("nothing to do")

// something does one thing and notes how long it took.
func (c *loadClient) something() {
	total := 0
	for _, k := range loadKinds {
		total += k.weight
	}
	at := c.r.IntN(total)
	for _, k := range loadKinds {
		if at -= k.weight; at >= 0 {
			continue
		}
		start := time.Now()
		switch err := k.do(c); {
		case errors.Is(err, errNothing):
		case err != nil:
			c.fail("%s: %v", k.name, err)
		default:
			if c.took[k.name] == nil {
				c.took[k.name] = &latencies{}
			}
			c.took[k.name].note(time.Since(start))
		}
		return
	}
}

// any is some object, own one that is the client's.
func (c *loadClient) any() *loadObject { return c.objects[c.r.IntN(len(c.objects))] }

func (c *loadClient) own() *loadObject {
	return c.objects[c.n+loadClients*c.r.IntN(len(c.objects)/loadClients)]
}

// use lets the client use an object, and checks that it finds one of the states
// that it was in meanwhile.
func (c *loadClient) use(o *loadObject, use func(path string) ([]byte, error)) error {
	first := o.done.Load()
	content, err := use(c.m.path(o.key))
	last := o.begun.Load()
	for state := first; state <= last; state++ {
		switch {
		case o.absentIn(state) && errors.Is(err, os.ErrNotExist),
			state%2 == 1 && err == nil && (content == nil || bytes.Equal(content, o.content(state))):
			return nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%d bytes of another state", len(content))
	}
	return fmt.Errorf("%s in states %d to %d: %w", o.key, first, last, err)
}

func (c *loadClient) restore() error { return c.use(c.any(), os.ReadFile) }

func (c *loadClient) touch() error {
	return c.use(c.any(), func(path string) ([]byte, error) {
		now := time.Now()
		return nil, os.Chtimes(path, now, now)
	})
}

func (c *loadClient) miss() error {
	_, err := os.Lstat(c.m.path(archive("missing", "package", c.r.IntN(1<<20))))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("a name that nobody published: %w", err)
}

func (c *loadClient) list() error {
	return c.use(c.any(), func(path string) ([]byte, error) {
		list, err := os.ReadDir(filepath.Dir(path))
		if err == nil && !slices.ContainsFunc(list, func(e os.DirEntry) bool { return e.Name() == filepath.Base(path) }) {
			err = os.ErrNotExist
		}
		return nil, err
	})
}

// publish makes an object, or replaces a signature, as BitBake does.
func (c *loadClient) publish() error {
	o := c.own()
	state := o.done.Load() + 1
	if state%2 == 0 {
		if !o.isSignature() {
			return errNothing
		}
		state++
	}
	path := c.m.path(o.key)
	c.made++
	tmp := fmt.Sprintf("%s/tmp-%d-%d-%d", filepath.Dir(path), c.n, c.rounds, c.made)
	if err := os.MkdirAll(filepath.Dir(path), 0o775); err != nil {
		return err
	}
	if err := os.WriteFile(tmp, o.content(state), 0o664); err != nil {
		return err
	}
	o.begun.Store(state)
	var err error
	if o.isSignature() {
		err = os.Rename(tmp, path)
	} else if err = os.Link(tmp, path); err == nil {
		err = os.Remove(tmp)
	}
	o.done.Store(state)
	return err
}

func (c *loadClient) remove() error {
	o := c.own()
	state := o.done.Load() + 1
	if state%2 == 1 || o.isSignature() {
		return errNothing
	}
	o.begun.Store(state)
	err := os.Remove(c.m.path(o.key))
	o.done.Store(state)
	if errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("remove of what is there: %w", err)
	}
	return err
}
