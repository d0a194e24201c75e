package ctl

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// claimWait is how long Claim waits for a lock that a command may hold for a
// moment while it looks for dead daemons.
const claimWait = time.Second

// Claim is a daemon's sole right to serve one mountpoint: its record, locked
// with flock(2) until Release or the end of the process.
type Claim struct {
	info   MountInfo
	file   *os.File
	path   string
	socket string
}

// Claim takes the mountpoint of info and writes its record. An empty
// info.Socket means the usual place; Info tells it. It fails with KindBusy
// when another daemon has the mountpoint.
func (h Host) Claim(info MountInfo) (*Claim, error) {
	dir, err := h.makeDir()
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	path := filepath.Join(dir, placeName(info.Mountpoint)+".json")
	if info.Socket == "" {
		info.Socket = strings.TrimSuffix(path, ".json") + ".sock"
	}
	f, err := lockRecord(path)
	if err != nil {
		return nil, claimError(path, info.Mountpoint, err)
	}
	c := &Claim{info: info, file: f, path: path, socket: info.Socket}
	if err := c.write(); err != nil {
		c.Release()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return c, nil
}

// Info is what the record says.
func (c *Claim) Info() MountInfo { return c.info }

// Release removes the record and gives the mountpoint up. It is idempotent.
func (c *Claim) Release() {
	if c.file == nil {
		return
	}
	os.Remove(c.path)
	c.file.Close()
	c.file = nil
}

func (c *Claim) write() error {
	if err := c.file.Truncate(0); err != nil {
		return err
	}
	text, err := json.MarshalIndent(c.info, "", "  ")
	if err != nil {
		return err
	}
	_, err = c.file.WriteAt(append(text, '\n'), 0)
	return err
}

// lockRecord opens and locks a record, EWOULDBLOCK when somebody else keeps it
// locked. A record that was removed between open and lock is made anew.
func lockRecord(path string) (*os.File, error) {
	for deadline := time.Now().Add(claimWait); ; {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && isFile(f, path) {
			return f, nil
		}
		f.Close()
		if time.Now().After(deadline) {
			return nil, cmp.Or(err, error(syscall.EWOULDBLOCK))
		}
		// flock(2) waits without a limit or not at all; a daemon that is just
		// ending lets go soon.
		time.Sleep(20 * time.Millisecond)
	}
}

// isFile tells whether path still leads to f.
func isFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}

func claimError(path, mountpoint string, err error) error {
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("control socket: %w", err)
	}
	owner := "another daemon"
	if f, e := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0); e == nil {
		defer f.Close()
		if info, e := readRecord(f); e == nil {
			owner = fmt.Sprintf("the daemon with pid %d", info.PID)
		}
	}
	return &Error{
		Kind:    KindBusy,
		Message: fmt.Sprintf("%s: %s serves this mountpoint", mountpoint, owner),
		Hint:    "sstatefs status " + mountpoint,
	}
}

// readRecord reads what may be another user's file: a regular one, and with a
// limit.
func readRecord(f *os.File) (MountInfo, error) {
	var info MountInfo
	fi, err := f.Stat()
	if err != nil {
		return info, err
	}
	if !fi.Mode().IsRegular() {
		return info, fmt.Errorf("%s: not a regular file", f.Name())
	}
	const limit = 64 << 10 // bytes; a record has a few hundred
	err = json.NewDecoder(io.LimitReader(f, limit)).Decode(&info)
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		info.UID = int(st.Uid) // the fact, whatever the text says
	}
	return info, err
}

// records finds the records of live daemons in the folders this user may read.
// What a dead daemon left behind is removed.
func (h Host) records() []MountInfo {
	var all []MountInfo
	for _, p := range h.searchDirs() {
		if dir, err := openRecordDir(p.path, p.uid); err == nil {
			all = append(all, dir.records()...)
			dir.Close()
		}
	}
	return all
}
