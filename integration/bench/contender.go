package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
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
	restore(ctx context.Context, f file) error
}

// folder is a contender that works in a directory: a plain one, or a mount.
type folder struct {
	index bool // it lists the remote when it starts
	point string
	data  string                                     // of the server
	cache string                                     // removed before every start
	mount func(ctx context.Context) (*daemon, error) // nil for a plain directory
	wait  func(d *daemon, objects []object) error    // for what is sent later, may be nil
	run   *daemon
}

func (f *folder) start(ctx context.Context) (err error) {
	if f.mount == nil {
		return nil
	}
	for _, dir := range []string{f.point, f.cache} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
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
	for _, o := range objects {
		if err := available(f.point, o); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) prepare(objects []object) error {
	for _, o := range objects {
		if err := f.stat(o.archive.key); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) stat(key string) error { return statAbsent(filepath.Join(f.point, key)) }

func (f *folder) publish(_ context.Context, o object) error { return publish(f.point, o) }

func (f *folder) restore(_ context.Context, o file) error {
	return restore(f.point, o, make([]byte, part))
}

func (f *folder) settle(objects []object) error {
	if f.wait == nil {
		return nil
	}
	return f.wait(f.run, objects)
}

// plainFolder is the folder that the server serves, with no server between.
func plainFolder(e endpoint) *folder { return &folder{point: e.data, data: e.data} }

// sstatefsMount mounts with the defaults.
func sstatefsMount(dir, binary string, e endpoint) *folder {
	f := &folder{index: true, point: filepath.Join(dir, "mnt"), data: e.data, cache: filepath.Join(dir, "cache")}
	f.mount = func(ctx context.Context) (*daemon, error) {
		return startDaemon(ctx, f.point, e.environment(), binary, "mount", "--log-level=warn", "--min-free=1M",
			"--cache-dir", f.cache, e.address(), f.point)
	}
	return f
}

// address is the remote as sstatefs takes it.
func (e endpoint) address() string {
	if !e.s3 {
		return e.url.String()
	}
	query := url.Values{"endpoint": {e.url.String()}, "region": {e.region}, "path_style": {"true"}}
	return "s3://" + e.bucket + "?" + query.Encode()
}

// environment is where both programs find the keys.
func (e endpoint) environment() []string {
	if !e.s3 {
		return nil
	}
	return []string{"AWS_ACCESS_KEY_ID=" + e.access, "AWS_SECRET_ACCESS_KEY=" + e.secret, "AWS_EC2_METADATA_DISABLED=true"}
}

// rcloneMount mounts as tuned for this workload: writes are cached, folders
// are believed for an hour, requests are not paced, more than the usual four
// files are sent at a time, and a written file waits a second for its final
// name instead of five: sent under the temporary one it is copied later.
func rcloneMount(dir, binary string, e endpoint) *folder {
	f := &folder{point: filepath.Join(dir, "mnt-rclone"), data: e.data, cache: filepath.Join(dir, "cache-rclone")}
	f.mount = func(ctx context.Context) (*daemon, error) {
		args := append([]string{binary, "mount"}, e.rcloneRemote()...)
		args = append(args, f.point, "--config=/dev/null", "--cache-dir", f.cache,
			"--vfs-cache-mode=writes", "--dir-cache-time=1h", "--vfs-write-back=1s", "--transfers=16", "--checkers=16")
		return startDaemon(ctx, f.point, e.environment(), args...)
	}
	f.wait = func(d *daemon, objects []object) error { return waitSent(d, e.data, objects) }
	return f
}

// rcloneRemote is the remote as rclone takes it. It would ask S3 for the time
// that it stored with each object; the server's is enough here.
func (e endpoint) rcloneRemote() []string {
	if !e.s3 {
		return []string{":webdav:", "--webdav-url=" + e.url.String(), "--webdav-vendor=other", "--webdav-pacer-min-sleep=0"}
	}
	return []string{":s3:" + e.bucket, "--s3-provider=Other", "--s3-endpoint=" + e.url.String(), "--s3-region=" + e.region,
		"--s3-env-auth", "--use-server-modtime"}
}

// sendLimit bounds the wait for what a mount sends behind.
const sendLimit = 3 * time.Minute

// waitSent waits until the server's folder has every file in full size.
func waitSent(d *daemon, data string, objects []object) error {
	deadline := time.Now().Add(sendLimit)
	for _, o := range objects {
		for _, f := range []file{o.archive, o.siginfo} {
			for !sent(data, f) {
				if time.Now().After(deadline) {
					return fmt.Errorf("%s: not at the server after %v", f.key, sendLimit)
				}
				select {
				case <-d.done:
					return fmt.Errorf("the mount ended: %w", d.err)
				case <-time.After(5 * time.Millisecond):
				}
			}
		}
	}
	return nil
}

// sent tells whether the server has a file.
func sent(data string, f file) bool {
	fi, err := os.Stat(filepath.Join(data, f.key))
	return err == nil && fi.Size() == int64(f.size())
}
