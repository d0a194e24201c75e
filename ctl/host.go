package ctl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Host is this machine as one user sees it: where the sockets and records of
// mounts are. The zero value is no use; see ThisHost.
type Host struct {
	UID        int
	RuntimeDir string // $XDG_RUNTIME_DIR, may be empty
	Root       string // "/"; tests set another
}

// ThisHost is the machine and the user of this process.
func ThisHost() Host {
	return Host{UID: os.Getuid(), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR"), Root: "/"}
}

// makeDir makes the folder for the sockets and records of this user's new
// mounts: below $XDG_RUNTIME_DIR, else /run/sstatefs for root and a private
// folder in /tmp for others.
func (h Host) makeDir() (string, error) {
	dir := h.ownDirs()[0]
	mode := os.FileMode(0o700)
	if dir == h.rootDir() {
		mode = 0o755 // so that others learn whose mount it is; what is in it is 0600
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return "", err
	}
	if !ownedDir(dir, h.UID) {
		return "", fmt.Errorf("%s is not a folder of user %d", dir, h.UID)
	}
	return dir, nil
}

// ownDirs are the folders where this user's mounts can be, the one for new
// mounts first. A variable that another user's session left behind (sudo -E)
// is not believed.
func (h Host) ownDirs() []string {
	var dirs []string
	if h.RuntimeDir != "" && ownedDir(h.RuntimeDir, h.UID) {
		dirs = append(dirs, filepath.Join(h.RuntimeDir, "sstatefs"))
	}
	if h.UID == 0 {
		dirs = append(dirs, h.rootDir())
	}
	uid := strconv.Itoa(h.UID)
	dirs = append(dirs, filepath.Join(h.Root, "tmp", "sstatefs-"+uid))
	return append(dirs, filepath.Join(h.Root, "run/user", uid, "sstatefs"))
}

func (h Host) rootDir() string { return filepath.Join(h.Root, "run/sstatefs") }

// userDir is a folder where the mounts of a user can be. Whose it is has to be
// asked of the folder that is opened.
type userDir struct {
	path string
	uid  int
}

// searchDirs are the folders where this user may look for mounts: the own
// ones, and for root those of everybody.
func (h Host) searchDirs() []userDir {
	seen := make(map[string]bool)
	var dirs []userDir
	add := func(path string, uid int) {
		if !seen[path] {
			dirs = append(dirs, userDir{path, uid})
		}
		seen[path] = true
	}
	for _, path := range h.ownDirs() {
		add(path, h.UID)
	}
	if h.UID == 0 {
		h.eachUserDir(add)
	}
	return dirs
}

// eachUserDir calls add for every folder that could be another user's.
func (h Host) eachUserDir(add func(dir string, uid int)) {
	private, _ := filepath.Glob(filepath.Join(h.Root, "tmp/sstatefs-*"))
	for _, dir := range private {
		if uid, err := strconv.Atoi(dir[strings.LastIndexByte(dir, '-')+1:]); err == nil {
			add(dir, uid)
		}
	}
	session, _ := filepath.Glob(filepath.Join(h.Root, "run/user/*/sstatefs"))
	for _, dir := range session {
		if uid, err := strconv.Atoi(filepath.Base(filepath.Dir(dir))); err == nil {
			add(dir, uid)
		}
	}
}

// ownedDir tells whether path is a folder, not a symlink to one, that belongs
// to uid and that nobody else may write to.
func ownedDir(path string, uid int) bool {
	fi, err := os.Lstat(path)
	return err == nil && isOwn(fi, uid)
}

func isOwn(fi os.FileInfo, uid int) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && fi.IsDir() && fi.Mode().Perm()&0o022 == 0 && int(st.Uid) == uid
}

// placeName is the base of the names of a mount's socket and record: the tail
// of the mountpoint for people, a hash of the whole for uniqueness.
func placeName(mountpoint string) string {
	tail := []byte(filepath.Base(mountpoint))
	for i, c := range tail {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '-' && c != '_' {
			tail[i] = '_'
		}
	}
	const readable = 24 // with hash and suffix well below the 108 bytes of sun_path
	if len(tail) > readable {
		tail = tail[len(tail)-readable:]
	}
	sum := sha256.Sum256([]byte(mountpoint))
	return string(tail) + "-" + hex.EncodeToString(sum[:5])
}
