package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// cases are the local ones.
func (l *local) cases() []localCase {
	var all []localCase
	for _, group := range [][]localCase{l.bigCases(), l.lookupCases(), l.useCases(), l.publishCases()} {
		all = append(all, group...)
	}
	return all
}

// scaled is a number for a full run, an eighth of it for a quick one.
func (l *local) scaled(n int) int {
	if l.o.quick {
		return n / 8
	}
	return n
}

// leaves is how many folders the objects are spread over.
const leaves = 64

// localKey names object n of a run. Runs never share names, so no cache knows
// them.
func localKey(run string, n int) string {
	leaf := n % leaves
	hash := fmt.Sprintf("%02x%02x%x", leaf, leaf, sha256.Sum256(fmt.Appendf(nil, "%s %d", run, n)))[:64]
	return fmt.Sprintf("%02x/%02x/sstate:bench:core2-64-poky-linux:1.0:r0:core2-64:14:%s_package.tar.zst", leaf, leaf, hash)
}

// localObject is one of a run, its signature of at most 6 kB. It begins as nothing
// that a mount would decode.
func localObject(run string, n int, body []byte) object {
	key := localKey(run, n)
	head := sha256.Sum256([]byte(key))
	clear(head[:4])
	return object{file{key, head, [][]byte{body}}, file{key + ".siginfo", head, [][]byte{body[:min(len(body), 6000)]}}}
}

// localObjects are n of a run, from one body of a size.
func localObjects(run string, n, size int) []object {
	body := make([]byte, size-32)
	objects := make([]object, n)
	for i := range objects {
		objects[i] = localObject(run, i, body)
	}
	return objects
}

// roundName is the run of a round that has names of its own.
func roundName(run string, round int) string { return fmt.Sprintf("%s in round %d", run, round) }

// makeLeaves makes the folders, so that lookups go all the way.
func makeLeaves(_ context.Context, p *place) error {
	for n := range leaves {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(p.point, localKey("", n))), 0o775); err != nil {
			return err
		}
	}
	return nil
}

// seeded puts objects where every place shows them, once for all rounds; then
// all are read once if they are to be in the cache.
func (l *local) seeded(cached bool, runs ...[]object) func(context.Context, *place) error {
	return func(ctx context.Context, p *place) error {
		var all []object
		for _, objects := range runs {
			all = append(all, objects...)
		}
		if _, err := os.Stat(filepath.Join(p.data, all[0].archive.key)); err == nil {
			return nil // an earlier case has the same
		}
		if err := l.seed(ctx, p, all); err != nil || !cached {
			return err
		}
		return parallel(ctx, 4, len(all), func(n int) error {
			buf := make([]byte, part)
			if err := readAll(filepath.Join(p.point, all[n].archive.key), all[n].archive, buf); err != nil {
				return err
			}
			return readAll(filepath.Join(p.point, all[n].siginfo.key), all[n].siginfo, buf)
		})
	}
}
