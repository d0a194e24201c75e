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

// Users finds the processes that keep a mount busy: that have their working
// folder, their root or an open file in it, or, one for each, live where it is
// mounted once more for itself, as in a container. It sees those that this user
// may look into, and reads links and tables in /proc only, which the kernel
// answers without asking the mount's daemon.
func Users(mount TableEntry) []User {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	s := newUserSearch(mount)
	var users []User
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && s.uses(filepath.Join("/proc", e.Name())) {
			users = append(users, User{PID: pid, Command: command(pid)})
		}
	}
	return users
}

// uses tells whether a process, given as its folder in /proc, keeps the mount
// busy.
func (s *userSearch) uses(proc string) bool {
	view := s.viewOf(proc)
	if s.isFirst(view) {
		return true
	}
	for _, link := range []string{"cwd", "root", "exe"} {
		if s.below(filepath.Join(proc, link), view) {
			return true
		}
	}
	for _, dir := range []string{"fd", "map_files"} {
		entries, err := os.ReadDir(filepath.Join(proc, dir))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if s.below(filepath.Join(proc, dir, e.Name()), view) {
				return true
			}
		}
	}
	return false
}

// below tells whether a link in /proc leads into the mount. Only what has a path
// below it is looked at: any other may be on a server that hangs. The folder
// below a mount has such a path too, and whoever is there does not use it.
func (s *userSearch) below(link string, view *mountView) bool {
	target, err := os.Readlink(link)
	if err != nil {
		return false
	}
	for _, path := range view.paths {
		if target == path || strings.HasPrefix(target, path+"/") {
			return s.mount.Connection == 0 || isOn(link, s.mount)
		}
	}
	return false
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

// coveredError says that another file system was mounted over a mount.
func coveredError(mountpoint, fstype string) error {
	return &Error{
		Kind:    KindBusy,
		Message: fmt.Sprintf("%s: %s is mounted on top of it", mountpoint, fstype),
		Hint:    "umount " + mountpoint,
	}
}

// keptError says that a mount without a name is in use, perhaps where it is mounted
// once more and cannot be seen.
func keptError(mountpoint string) error {
	return &Error{
		Kind:    KindBusy,
		Message: mountpoint + ": detached, but still in use, by a container perhaps: its daemon serves that to its end",
		Hint:    "sstatefs unmount --force " + mountpoint,
	}
}
