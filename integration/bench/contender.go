package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
)

// workers is how many publish and restore at a time.
const workers = 8

// An endpoint is a server as seen over one link.
type endpoint struct {
	url     *url.URL // of the server (S3) or of the collection (WebDAV)
	s3      bool
	putMove bool   // no conditional PUT: files are made by PUT and MOVE
	data    string // the folder that is served: keys are paths in it

	bucket, region, access, secret string // S3
}

// A contender runs the workload.
type contender interface {
	start(ctx context.Context) error        // with empty caches
	startKnowing(ctx context.Context) error // start, and wait until an index is full
	stop()

	remote() string                 // the folder where objects end up
	check(objects []object) error   // the availability check of objects that are there
	prepare(objects []object) error // the one of objects that are to be published
	stat(key string) error          // of an absent name
	publish(ctx context.Context, o object) error
	settle(objects []object) error // returns when all is at the server
	restore(ctx context.Context, o object) error
	first(ctx context.Context, f file) error // returns with the first bytes
	whole(ctx context.Context, f file) error
	share() int // it is asked for one in so many names: more would take too long
}

// folder is a contender that works in a directory: a plain one, or a mount.
type folder struct {
	index bool // it lists the remote when it starts
	point string
	data  string                                     // of the server
	cache string                                     // removed before every start
	mount func(ctx context.Context) (*daemon, error) // nil for a plain directory
	wait  func(d *daemon, objects []object) error    // for what is sent later, may be nil
	slow  bool                                       // a name costs it several requests
	run   *daemon
}

func (f *folder) start(ctx context.Context) (err error) {
	if f.mount == nil {
		return nil
	}
	for _, dir := range []string{f.point, f.cache} {
		if err := os.MkdirAll(dir, 0o755); err != nil { // a cache that others can write to is refused
			return err
		}
	}
	f.run, err = f.mount(ctx)
	return err
}

func (f *folder) startKnowing(ctx context.Context) error {
	if err := f.start(ctx); err != nil || !f.index {
		return err
	}
	_, err := f.run.waitListed(ctx)
	return err
}

func (f *folder) stop() {
	if f.run != nil {
		f.run.stop()
		f.run = nil
	}
	if f.cache != "" {
		_ = os.RemoveAll(f.cache)
	}
}

func (f *folder) remote() string { return f.data }

func (f *folder) check(objects []object) error {
	return parallel(context.Background(), workers, len(objects), func(i int) error { return available(f.point, objects[i]) })
}

func (f *folder) prepare(objects []object) error {
	return parallel(context.Background(), workers, len(objects), func(i int) error { return f.stat(objects[i].archive.key) })
}

func (f *folder) stat(key string) error { return statAbsent(filepath.Join(f.point, key)) }

func (f *folder) publish(_ context.Context, o object) error { return publish(f.point, o) }

func (f *folder) restore(_ context.Context, o object) error {
	return restore(f.point, o, make([]byte, part))
}

func (f *folder) settle(objects []object) error {
	if f.wait == nil {
		return nil
	}
	return f.wait(f.run, objects)
}

func (f *folder) first(_ context.Context, o file) error {
	r, err := os.Open(filepath.Join(f.point, o.key))
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.Read(make([]byte, 4096))
	return err
}

func (f *folder) whole(_ context.Context, o file) error {
	return readAll(filepath.Join(f.point, o.key), o, make([]byte, 128<<10))
}

func (f *folder) share() int {
	if f.slow {
		return 20
	}
	return 1
}
