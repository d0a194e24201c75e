package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sstatefs/ctl"
	fusefs "sstatefs/fs"
	"sstatefs/remote"
)

// mountPlan is what a mount is going to be, after everything that can be
// checked beforehand was.
type mountPlan struct {
	address    string // of the remote, as given; it holds no password
	remote     string // of the remote, for people
	mountpoint string // absolute, symlinks resolved
	cacheDir   string // the same
	access     remote.Access
	socket     string // of --control-socket, absolute; empty for the usual place
	dead       bool   // a mount whose daemon is gone is in the way
}

// planMount checks what was asked for and touches nothing.
func planMount(flags *mountFlags, address, mountpoint string) (mountPlan, error) {
	table, err := ctl.ReadTable()
	if err != nil {
		return mountPlan{}, err
	}
	plan := mountPlan{address: address}
	if err := openers().Check(address); err != nil {
		return plan, addressError(address, err, "sstatefs mount --help")
	}
	if plan.remote, err = remote.Clean(address); err != nil {
		return plan, addressError(address, err, "sstatefs mount --help")
	}
	if plan.access, err = flags.accessFlags.access(); err != nil {
		return plan, err
	}
	if mountpoint, err = mountDir(mountpoint); err != nil {
		return plan, usage("sstatefs mount --help", "mount: %w", err)
	}
	if plan.mountpoint, err = table.Resolve(mountpoint); err != nil {
		return plan, err
	}
	if plan.cacheDir, err = cacheDir(table, flags.cacheDir, plan.remote); err != nil {
		return plan, err
	}
	if flags.controlSocket != "" {
		if plan.socket, err = filepath.Abs(flags.controlSocket); err != nil {
			return plan, err
		}
	}
	if err := plan.checkFolders(table); err != nil {
		return plan, err
	}
	if err := checkFUSE(os.Getuid(), flags.allowOther); err != nil {
		return plan, err
	}
	return plan, plan.checkMountpoint()
}

// cacheDir is the folder of --cache-dir, else one below the user's caches that
// is named after the remote.
func cacheDir(table ctl.Table, given, remoteName string) (string, error) {
	if given != "" {
		return table.Resolve(given)
	}
	base := os.Getenv("XDG_CACHE_HOME")
	home := os.Getenv("HOME")
	switch {
	case filepath.IsAbs(base): // the XDG base directory specification: others are to be ignored
	case home != "":
		base = filepath.Join(home, ".cache")
	case os.Getuid() == 0:
		base = "/var/cache" // a system service has no HOME
	default:
		return "", &failure{code: exitUsage, err: errors.New("mount: no HOME to keep a cache in"), hint: "give --cache-dir"}
	}
	return table.Resolve(filepath.Join(base, "sstatefs", cacheName(remoteName)))
}

// cacheName names a cache after its remote: readable, and unique by a hash.
func cacheName(remoteName string) string {
	_, readable, _ := strings.Cut(remoteName, "://")
	readable, _, _ = strings.Cut(readable, "?")
	readable = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, readable), "-.")
	const longest = 40 // the tail tells more than the head
	if len(readable) > longest {
		readable = readable[len(readable)-longest:]
	}
	sum := sha256.Sum256([]byte(remoteName))
	return strings.TrimLeft(readable+"-"+hex.EncodeToString(sum[:4]), "-.")
}

// checkFolders refuses folders that would hold one another: the mount would
// wait for itself, or the remote would list the cache.
func (plan mountPlan) checkFolders(table ctl.Table) error {
	pairs := [][2]string{
		{"cache directory " + plan.cacheDir, plan.cacheDir},
		{"mountpoint " + plan.mountpoint, plan.mountpoint},
	}
	if dir, _, err := remote.Directory(plan.address); err == nil {
		if dir, err = table.Resolve(dir); err != nil {
			return err
		}
		pairs = append(pairs, [2]string{"remote directory " + dir, dir})
	}
	for i, a := range pairs {
		for j, b := range pairs {
			if i == j || !within(a[1], b[1]) {
				continue
			}
			hint := "choose another MOUNTPOINT"
			if i == 0 || j == 0 {
				hint = "choose another --cache-dir"
			}
			return &failure{code: exitFailed, err: fmt.Errorf("mount: %s is inside the %s", a[0], b[0]), hint: hint}
		}
	}
	return nil
}

// within tells whether path is dir or below it. Both are absolute and clean.
func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// checkMountpoint wants an existing folder with nothing alive mounted on it.
func (plan *mountPlan) checkMountpoint() error {
	dead, err := fusefs.CheckMountpoint(plan.mountpoint)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &failure{
			code: exitFailed, err: fmt.Errorf("mountpoint %s: no such directory", plan.mountpoint),
			hint: "mkdir -p " + plan.mountpoint,
		}
	case err != nil:
		return err
	case dead:
		plan.dead = true
		return nil
	}
	fi, err := os.Lstat(plan.mountpoint)
	if err != nil {
		return fmt.Errorf("mountpoint: %w", err)
	}
	if !fi.IsDir() {
		return fmt.Errorf("mountpoint %s: not a directory", plan.mountpoint)
	}
	if err := unix.Access(plan.mountpoint, unix.W_OK); err != nil {
		return fmt.Errorf("mountpoint %s: only a directory that you may write to can be mounted on: %w", plan.mountpoint, err)
	}
	return nil
}

// hides tells whether the mount will hide files in the mountpoint.
func (plan mountPlan) hides() bool {
	entries, err := os.ReadDir(plan.mountpoint)
	return err == nil && len(entries) > 0
}

// partOf gives what is to stay free as a part of the disk that holds dir.
func (v *freeValue) partOf(dir string) (float64, error) {
	part := v.part
	if v.bytes > 0 {
		var disk unix.Statfs_t
		if err := unix.Statfs(dir, &disk); err != nil {
			return 0, fmt.Errorf("cache directory %s: %w", dir, err)
		}
		size := float64(disk.Blocks) * float64(disk.Bsize)
		part = float64(v.bytes) / size
		if part > 1 {
			return 0, &failure{
				code: exitUsage, hint: "sstatefs mount --help",
				err: fmt.Errorf("mount: --min-free %s: the disk of the cache directory is smaller", v.text),
			}
		}
	}
	// The zero value of the option is its default.
	return max(part, math.SmallestNonzeroFloat64), nil
}
