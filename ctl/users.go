package ctl

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// User is a process that keeps a mount busy.
type User struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// Users finds the processes that have their working folder, their root or an
// open file below a mountpoint, as far as this user may look into them. It
// reads links in /proc only, which the kernel answers without asking the
// mount's daemon.
func Users(mountpoint string) []User {
	table, err := ReadTable()
	if err != nil {
		return nil
	}
	entry, mounted := table.At(mountpoint)
	below := func(link string) bool {
		// The folder below the mount has the same path, and whoever is there
		// does not use the mount.
		return leadsBelow(link, mountpoint) && (!mounted || isOn(link, entry))
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var users []User
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && uses(pid, below) {
			users = append(users, User{PID: pid, Command: command(pid)})
		}
	}
	return users
}

func uses(pid int, below func(link string) bool) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	for _, link := range []string{"cwd", "root", "exe"} {
		if below(filepath.Join(proc, link)) {
			return true
		}
	}
	for _, dir := range []string{"fd", "map_files"} {
		entries, err := os.ReadDir(filepath.Join(proc, dir))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if below(filepath.Join(proc, dir, e.Name())) {
				return true
			}
		}
	}
	return false
}

func leadsBelow(link, mountpoint string) bool {
	target, err := os.Readlink(link)
	return err == nil && (target == mountpoint || strings.HasPrefix(target, mountpoint+"/"))
}

// isOn tells whether a link in /proc leads to a file of this mount. The kernel
// answers from what it has cached, the daemon is not asked.
func isOn(link string, mount TableEntry) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, link, unix.AT_STATX_DONT_SYNC, 0, &st)
	return err == nil && st.Dev_major == 0 && int(st.Dev_minor) == mount.Connection
}

func command(pid int) string {
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(name))
}

// busyError says that a mount is in use, by whom if that can be seen.
func busyError(mountpoint string, users []User) error {
	who := "in use"
	if len(users) > 0 {
		who = fmt.Sprintf("in use by pid %d (%s)", users[0].PID, users[0].Command)
	}
	if len(users) > 1 {
		who += fmt.Sprintf(" and %d more", len(users)-1)
	}
	return &Error{
		Kind:    KindBusy,
		Message: fmt.Sprintf("%s: %s", mountpoint, who),
		Hint:    "sstatefs unmount --lazy " + mountpoint,
	}
}
