package ctl

import (
	"os"
	"path/filepath"
)

// mountView is a mount as the processes of one mount namespace see it
// (mount_namespaces(7)).
type mountView struct {
	paths []string // where it is mounted
	keeps bool     // it is mounted there for itself: it stays when it is unmounted here
	told  bool     // a process that keeps it so was found
}

// userSearch looks for the users of one mount.
type userSearch struct {
	mount TableEntry // of this process's table; without a Connection its path alone counts
	on    TableEntry // what it is mounted on
	here  string     // the namespace of this process
	views map[string]*mountView
}

func newUserSearch(mount TableEntry) *userSearch {
	s := &userSearch{mount: mount, views: make(map[string]*mountView)}
	if table, err := ReadTable(); err == nil {
		s.on, _ = table.byID(mount.Parent)
	}
	s.here, _ = os.Readlink("/proc/self/ns/mnt")
	return s
}

// viewOf is the mount as a process sees it, given as its folder in /proc.
func (s *userSearch) viewOf(proc string) *mountView {
	space, err := os.Readlink(filepath.Join(proc, "ns/mnt"))
	if err != nil {
		return &mountView{} // nothing else of it can be read either
	}
	root, _ := os.Readlink(filepath.Join(proc, "root"))
	key := space + " " + root
	if v, ok := s.views[key]; ok {
		return v
	}
	v := &mountView{}
	if s.mount.Connection == 0 {
		v.paths = []string{s.mount.Mountpoint}
	} else {
		table, err := readTable(filepath.Join(proc, "mountinfo"))
		if err != nil {
			return v // it has ended; another of its namespace may tell
		}
		v = s.look(table, space != s.here)
	}
	s.views[key] = v
	return v
}

// look finds the mount in a table, of another namespace than ours or not.
func (s *userSearch) look(table Table, foreign bool) *mountView {
	v := &mountView{}
	for _, e := range table {
		if !e.Ours() || e.Connection != s.mount.Connection {
			continue
		}
		v.paths = append(v.paths, e.Mountpoint)
		on, listed := table.byID(e.Parent) // which a chroot need not list
		v.keeps = v.keeps || foreign && listed && !follows(on, s.on)
	}
	return v
}

// follows tells whether an unmount on one mount is one on another too: it is of
// the same group of peers, or a slave of that (mount_namespaces(7)). So it is
// with the copies that services of systemd have.
func follows(other, one TableEntry) bool {
	return one.Shared != 0 && (other.Shared == one.Shared || other.Master == one.Shared)
}

// isFirst tells, once for each view, that the mount is kept by it.
func (s *userSearch) isFirst(v *mountView) bool {
	first := v.keeps && !v.told
	v.told = v.told || first
	return first
}
