package store

import (
	"context"
	"io"
	"time"

	"sstatefs/remote"
)

// What Shared passes on as it is.

// Get see remote.Remote.
func (r Shared) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	return r.s.guard.Get(ctx, key, offset)
}

// List see remote.Remote.
func (r Shared) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	return r.s.guard.List(ctx, prefix, fn)
}

// Folders see remote.FolderLister.
func (r Shared) Folders(ctx context.Context, prefix string, fn func(remote.Folder) error) error {
	return r.s.guard.Folders(ctx, prefix, fn)
}

// Names see remote.NameLister.
func (r Shared) Names(ctx context.Context, prefix string, fn func(name string, folder bool) error) error {
	return r.s.guard.Names(ctx, prefix, fn)
}

// Leftovers see remote.LeftoverLister.
func (r Shared) Leftovers(ctx context.Context, fn func(remote.Info) error) error {
	return r.s.guard.Leftovers(ctx, fn)
}

// Sweep see remote.Sweeper. What is used here, and the remote has not heard of
// that yet, shows as used now: a sweep is what decides who may go.
func (r Shared) Sweep(ctx context.Context, fn func(folder string, files []remote.Info) error) error {
	return r.s.guard.Sweep(ctx, func(folder string, files []remote.Info) error {
		for i := range files {
			if r.s.touches.isPending(string(files[i].Key)) {
				files[i].ModTime = r.s.remoteNow()
			}
		}
		return fn(folder, files)
	})
}

// Uploads see remote.UploadLister.
func (r Shared) Uploads(ctx context.Context, fn func(key remote.Key, id string, started time.Time) error) error {
	return r.s.guard.Uploads(ctx, fn)
}

// AbortUpload see remote.UploadLister.
func (r Shared) AbortUpload(ctx context.Context, key remote.Key, id string) error {
	if err := r.changeable("abort upload", key); err != nil {
		return err
	}
	return r.s.guard.AbortUpload(ctx, key, id)
}

// Probe see remote.Prober.
func (r Shared) Probe(ctx context.Context) error { return r.s.guard.Probe(ctx) }

// Offset see remote.Clock.
func (r Shared) Offset() (time.Duration, bool) { return r.s.guard.Offset() }

// Abilities see remote.Describer.
func (r Shared) Abilities() []remote.Ability { return r.s.guard.Abilities() }

// Explore see remote.Explorer. A mount that sends nothing tries nothing.
func (r Shared) Explore(ctx context.Context) error {
	if r.s.readOnly() {
		return nil
	}
	return r.s.guard.Explore(ctx)
}
