package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// plainFolder is the folder that the server serves, with no server between.
func plainFolder(e endpoint) *folder { return &folder{point: e.data, data: e.data} }

// sstatefsMount mounts with the defaults, but for some flags.
func sstatefsMount(dir, binary string, e endpoint, flags ...string) *folder {
	f := &folder{index: true, point: filepath.Join(dir, "mnt"), data: e.data, cache: filepath.Join(dir, "cache")}
	f.mount = func(ctx context.Context) (*daemon, error) {
		args := append([]string{binary, "mount", "--log-level=warn", "--min-free=1M", "--cache-dir", f.cache}, flags...)
		return startDaemon(ctx, f.point, e.environment(), append(args, e.address(), f.point)...)
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

// environment is where the programs find the keys.
func (e endpoint) environment() []string {
	if !e.s3 {
		return nil
	}
	return []string{"AWS_ACCESS_KEY_ID=" + e.access, "AWS_SECRET_ACCESS_KEY=" + e.secret, "AWS_EC2_METADATA_DISABLED=true",
		"AWSACCESSKEYID=" + e.access, "AWSSECRETACCESSKEY=" + e.secret} // as s3fs calls them
}

// s3fsMount mounts as tuned for this workload: what is not there is believed
// too, for an hour, of more names than there are.
func s3fsMount(dir string, e endpoint) *folder {
	f := &folder{slow: true, point: filepath.Join(dir, "mnt-s3fs"), data: e.data, cache: filepath.Join(dir, "cache-s3fs")}
	f.mount = func(ctx context.Context) (*daemon, error) {
		return startDaemon(ctx, f.point, e.environment(), "s3fs", e.bucket, f.point, "-f", "-o", "url="+e.url.String(),
			"-o", "use_path_request_style,sigv4,enable_noobj_cache,stat_cache_expire=3600,max_stat_cache_size=1000000",
			"-o", "multireq_max=100,parallel_count=16,mp_umask=0,endpoint="+e.region, "-o", "tmpdir="+f.cache)
	}
	return f
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
