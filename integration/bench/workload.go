package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
)

// A file is what is published under one key. Its content is its own at the
// head only; the parts behind it are shared.
type file struct {
	key   string // slash path below the directory
	head  [32]byte
	parts [][]byte
}

func (f file) size() int {
	size := len(f.head)
	for _, b := range f.parts {
		size += len(b)
	}
	return size
}

// reader gives the content.
func (f file) reader() io.Reader {
	all := []io.Reader{bytes.NewReader(f.head[:])}
	for _, b := range f.parts {
		all = append(all, bytes.NewReader(b))
	}
	return io.MultiReader(all...)
}

// An object is what BitBake publishes of a task.
type object struct {
	archive, siginfo file
}

// Sizes of archives are log-normal, as measured of real caches: half of them
// below 60 kB, 1.5 MB on average, none above 64 MiB.
const (
	medianSize  = 60e3
	sizeSpread  = 2.7653 // sigma: makes the average 1.5 MB with the largest cut
	largestSize = 64 << 20
)

// A generator makes the same names, sizes and contents from the same seed.
type generator struct {
	r    *rand.Rand
	pool *pool
}

func newGenerator(pool *pool, seed uint64) generator {
	return generator{rand.New(rand.NewPCG(seed, 0x5571)), pool}
}

// objects gives n of them. The sizes are one from each of n equal slices of
// the distribution, so that every set has nearly the same sum.
func (g generator) objects(n int) []object {
	sizes := make([]int, n)
	for i := range sizes {
		q := (float64(i) + 0.5) / float64(n)
		sizes[i] = int(min(medianSize*math.Exp(sizeSpread*math.Sqrt2*math.Erfinv(2*q-1)), largestSize))
	}
	g.r.Shuffle(n, func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	objects := make([]object, n)
	for i, size := range sizes {
		key := g.key()
		objects[i] = object{g.file(key, size), g.file(key+".siginfo", 2<<10+g.r.IntN(10<<10))}
	}
	return objects
}

// smallSize is what half of all archives are below, bytes.
const smallSize = medianSize / 2

// equal gives n objects of one size.
func (g generator) equal(n, size int) []object {
	objects := make([]object, n)
	for i := range objects {
		key := g.key()
		objects[i] = object{g.file(key, size), g.file(key+".siginfo", 2<<10+g.r.IntN(10<<10))}
	}
	return objects
}

func (g generator) file(key string, size int) file {
	f := file{key: key}
	copy(f.head[:], g.bytes())
	g.pool.fill(&f, g.r, size)
	return f
}

func (g generator) bytes() []byte {
	var b []byte
	for range 4 {
		v := g.r.Uint64()
		for range 8 {
			b = append(b, byte(v))
			v >>= 8
		}
	}
	return b
}

var (
	tasks = []string{"package", "packagedata", "populate_sysroot", "populate_lic", "package_qa", "package_write_ipk", "deploy_source_date_epoch"}
	archs = []string{"core2-64", "x86_64", "allarch", "cortexa57"}
)

// key is an archive's name; equal ones do not occur.
func (g generator) key() string {
	hash := hex.EncodeToString(g.bytes())
	arch := archs[g.r.IntN(len(archs))]
	return fmt.Sprintf("%s/%s/sstate:recipe-%d:%s-poky-linux:%d.%d:r%d:%s:14:%s_%s.tar.zst",
		hash[:2], hash[2:4], g.r.IntN(900), arch, g.r.IntN(9), g.r.IntN(40), g.r.IntN(3), arch, hash, tasks[g.r.IntN(len(tasks))])
}

// keys gives names of archives.
func (g generator) keys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = g.key()
	}
	return keys
}

// treeKeys gives the names of a cache of n files: three signatures for an
// archive, as builds leave them, each in the folder of its own hash.
func (g generator) treeKeys(n int) []string {
	keys := make([]string, 0, n+3)
	for len(keys) < n {
		archive := g.key()
		keys = append(keys, archive, archive+".siginfo", g.key()+".siginfo", g.key()+".siginfo")
	}
	return slices.Clip(keys[:n])
}
