package main

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
)

// writePart is how much a write to a temporary has: tar's record.
const writePart = 10 << 10

// bigCases read and write a large file. Everything is in the page cache of the
// disk: what is measured is the way there.
func (l *local) bigCases() []localCase {
	size := l.scaled(256 << 20)
	objects := localObjects("big", 1, size)
	name := func(p *place) string { return filepath.Join(p.point, objects[0].archive.key) }
	buf := make([]byte, 128<<10) // as cat has it
	read := func(_ context.Context, p *place, _ int) error { return readAll(name(p), objects[0].archive, buf) }
	cold := func(p *place, _ int) error {
		if p.run == nil {
			return nil
		}
		return forget(name(p))
	}
	warm := func(p *place, _ int) error { return read(context.Background(), p, 0) }
	seeded := l.seeded(true, objects)
	tmp := func(p *place) string { return name(p) + ".abcd1234" }
	write := func(_ context.Context, p *place, _ int) error { return writeTemporary(tmp(p), size) }
	remove := func(_ context.Context, p *place, _ int) error { return os.Remove(tmp(p)) }
	return []localCase{
		{name: "read of a cached 256 MB object", ops: 1, ours: indexed, others: []string{plainDir, loopback},
			bound: bound{of: plainDir, faster: 0.95}, once: seeded, before: warm, run: read},
		{name: "the same without passthrough, first read", ops: 1, ours: indexedSlow, others: []string{plainDir, loopbackSlow},
			bound: bound{of: loopbackSlow, faster: 0.9}, once: seeded, before: cold, run: read},
		{name: "the same without passthrough, second read", ops: 1, ours: indexedSlow, others: []string{plainDir, loopbackSlow},
			bound: bound{of: plainDir, faster: 0.6}, once: seeded, before: warm, run: read},
		{name: "write of a 256 MB temporary", ops: 1, ours: indexed, others: []string{plainDir, loopback},
			bound: bound{of: loopback, faster: 0.95}, once: makeLeaves, run: write, after: remove},
		{name: "the same without passthrough", ops: 1, ours: indexedSlow, others: []string{plainDir, loopbackSlow},
			once: makeLeaves, run: write, after: remove},
	}
}

// writeTemporary writes a file as tar does for BitBake, which has it open too.
func writeTemporary(name string, size int) error {
	first, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer first.Close()
	second, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	record := make([]byte, writePart)
	for left := size; left > 0 && err == nil; left -= len(record) {
		_, err = second.Write(record[:min(left, len(record))])
	}
	if e := second.Close(); err == nil {
		err = e
	}
	return err
}
