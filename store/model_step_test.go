package store

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// modelOp is one thing that a host does, or that happens to it. All chances
// are in here: the same operations in the same world do the same again.
type modelOp struct {
	kind string
	host int
	key  int
	id   int // of the content that is published, 0 if none is
	arg  int // what the kind makes of it
}

// modelTurn is what happens at one time: mostly one operation.
type modelTurn []modelOp

// modelKinds are all kinds of operation and how often they come. Those marked
// may happen to several hosts at a time.
var modelKinds = []struct {
	name     string
	weight   int
	together bool
	fresh    bool // it has new content
}{
	{"link", 14, true, true}, {"rename", 8, true, true}, {"write", 3, true, true},
	{"read", 16, true, false}, {"stat", 7, true, false},
	{"readdir", 3, true, false}, {"touch", 5, true, false}, {"unlink", 8, true, false}, {"clean", 3, true, false},
	{"refresh", 6, true, false}, {"trim", 3, true, false}, {"hold", 3, true, false}, {"drop", 3, true, false},
	{"flush", 2, true, false}, {"touches", 4, true, false}, {"save", 1, false, false},
	{"restart", 3, false, false}, {"crash", 4, false, false}, {"crash-put", 3, false, true},
	{"down", 4, false, false}, {"up", 7, false, false}, {"refuse", 2, false, false}, {"garble", 2, false, false},
	{"lose", 3, false, false}, {"advance", 3, false, false},
	{"foreign-put", 3, false, true}, {"foreign-delete", 2, false, false},
}

const (
	modelHosts = 3
	modelKeys  = 5
)

// modelKey names the keys of the model: archives and siginfos.
func modelKey(n int) string {
	if n%2 == 1 {
		return testKey(n/2, "package") + ".siginfo"
	}
	return testKey(n/2, "package")
}

// modelSteps makes a random sequence.
func modelSteps(r *rand.Rand, n int) []modelTurn {
	total := 0
	for _, k := range modelKinds {
		total += k.weight
	}
	steps := make([]modelTurn, n)
	id := 0
	random := func(host int, together bool) modelOp {
		for {
			at := r.IntN(total)
			for _, k := range modelKinds {
				if at -= k.weight; at >= 0 {
					continue
				}
				if together && !k.together {
					break
				}
				op := modelOp{kind: k.name, host: host, key: r.IntN(modelKeys), arg: r.IntN(1 << 16)}
				if k.fresh {
					id++
					op.id = id
				}
				return op
			}
		}
	}
	for i := range steps {
		hosts := r.Perm(modelHosts)
		if r.IntN(6) > 0 {
			hosts = hosts[:1]
		}
		key := r.IntN(modelKeys)
		for _, h := range hosts {
			op := random(h, len(hosts) > 1)
			if len(hosts) > 1 {
				op.key = key // or they would not meet
			}
			steps[i] = append(steps[i], op)
		}
	}
	return steps
}

func (s modelTurn) String() string {
	var parts []string
	for _, op := range s {
		parts = append(parts, op.String())
	}
	return strings.Join(parts, "  ||  ")
}

func (op modelOp) String() string {
	text := fmt.Sprintf("host %d: %s", op.host, op.kind)
	switch op.kind {
	case "link", "rename", "write", "foreign-put":
		text += fmt.Sprintf(" key %d, content %d%s", op.key, op.id, map[bool]string{true: " of a common size"}[op.common()])
	case "read", "stat", "touch", "unlink", "clean", "hold", "foreign-delete", "readdir":
		text += fmt.Sprintf(" key %d", op.key)
	case "crash-put":
		text += fmt.Sprintf(" key %d, content %d, %s it happens%s", op.key, op.id, op.stage(), op.wreck())
	case "crash":
		text += op.wreck().String()
	case "advance":
		text += " " + op.hours().String()
	}
	if op.kind == "restart" || strings.HasPrefix(op.kind, "crash") {
		text += map[bool]string{true: ", waits for the listing"}[op.waits()]
	}
	return text
}

// common: the content has the length of others, so that only its bytes tell.
func (op modelOp) common() bool         { return op.arg%8 == 0 }
func (op modelOp) waits() bool          { return op.arg%2 == 0 }
func (op modelOp) hours() time.Duration { return time.Duration(1+op.arg%30) * time.Hour }
func (op modelOp) stage() string        { return [...]string{"before", "after"}[op.arg>>1&1] }

// wreck is what a kill leaves behind.
func (op modelOp) wreck() modelWreck {
	return modelWreck{half: op.arg>>2&1 == 1, rests: op.arg>>3&1 == 1, powerCut: op.arg>>4&3 == 3}
}

type modelWreck struct {
	half     bool // between the two names of a publish, or of a removal
	rests    bool // temporaries, and folders of the queue without a file
	powerCut bool // what was not synced is cut short
}

func (w modelWreck) String() string {
	text := ""
	for _, p := range []struct {
		on   bool
		text string
	}{{w.half, ", half done"}, {w.rests, ", leaves rests"}, {w.powerCut, ", the power too"}} {
		if p.on {
			text += p.text
		}
	}
	return text
}

// modelContents makes what is published, and knows it again.
type modelContents struct {
	mu   sync.Mutex
	byID map[int][]byte
	ids  map[string]int // by key and bytes
	zstd *zstd.Encoder
}

func newModelContents() *modelContents {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		panic(err) // of constant options
	}
	return &modelContents{byID: map[int][]byte{}, ids: map[string]int{}, zstd: w}
}

// make gives the content of an operation: a whole archive or siginfo.
func (c *modelContents) make(key string, op modelOp) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.byID[op.id]; b != nil {
		return b
	}
	noise := make([]byte, 64+13*(op.id%80))
	if op.common() {
		noise = noise[:64]
	}
	r := rand.New(rand.NewPCG(uint64(op.id), 7))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	content := noise
	if !strings.HasSuffix(key, ".siginfo") {
		var packed bytes.Buffer
		w := tar.NewWriter(&packed)
		_ = w.WriteHeader(&tar.Header{Name: "noise", Size: int64(len(noise)), Mode: 0o644})
		_, _ = w.Write(noise)
		_ = w.Close() // into memory
		content = packed.Bytes()
	}
	b := c.zstd.EncodeAll(content, nil)
	c.byID[op.id], c.ids[key+string(b)] = b, op.id
	return b
}

// find is the content's number, 0 if nobody published it under this key.
func (c *modelContents) find(key string, content []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids[key+string(content)]
}

// size is the length of a content.
func (c *modelContents) size(id int) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.byID[id]))
}
