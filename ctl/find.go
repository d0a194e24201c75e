package ctl

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
)

// Found is one mount of this machine and what it answered.
type Found struct {
	Mountpoint string
	Status     Status // when Err is nil
	Err        error  // KindDead, KindDenied or KindUnreachable
}

// Dial finds the daemon of the mount at path, which may be written in any way
// that leads to the mountpoint. The error is an *Error of KindNotMounted,
// KindDenied or KindDead.
func (h Host) Dial(path string) (*Client, error) {
	table, err := ReadTable()
	if err != nil {
		return nil, err
	}
	mountpoint, err := table.Resolve(path)
	if err != nil {
		return nil, err
	}
	info, err := h.serverOf(table, mountpoint, h.records())
	if err != nil {
		return nil, err
	}
	return newClient(info), nil
}

// serverOf picks the record of a mountpoint. Anybody can write one that names it,
// and root reads them all: what counts is who has mounted it, as the kernel says.
// Where nothing of ours is mounted, as before and after the life of a mount, it is
// the caller.
func (h Host) serverOf(table Table, mountpoint string, records []MountInfo) (MountInfo, error) {
	owner, err := h.UID, h.absence(table, mountpoint)
	entry, mounted := table.At(mountpoint)
	ours := mounted && entry.Ours()
	if ours {
		owner = entry.UID
	}
	for _, info := range records {
		switch {
		case info.Mountpoint != mountpoint:
		case info.UID == owner:
			return info, nil
		case !ours:
			err = strangerError(mountpoint, info.UID)
		}
	}
	return MountInfo{}, err
}

// believed leaves out records of others than the owner of the mount that is where
// they say.
func (t Table) believed(records []MountInfo) []MountInfo {
	return slices.DeleteFunc(records, func(info MountInfo) bool {
		e, mounted := t.At(info.Mountpoint)
		return mounted && e.Ours() && e.UID != info.UID
	})
}

// strangerError says whose daemon claims a mountpoint where nothing is mounted.
func strangerError(mountpoint string, uid int) error {
	return &Error{
		Kind:    KindDenied,
		Message: fmt.Sprintf("%s: no sstatefs is mounted there, and the daemon that names it is of user %d", mountpoint, uid),
		Hint:    fmt.Sprintf("sudo -u '#%d' sstatefs status %s", uid, mountpoint),
	}
}

// absence says why there is no daemon to talk to.
func (h Host) absence(table Table, mountpoint string) error {
	entry, mounted := table.At(mountpoint)
	switch {
	case !mounted || !entry.Ours():
		return &Error{
			Kind:    KindNotMounted,
			Message: mountpoint + ": no sstatefs is mounted there",
			Hint:    "sstatefs status",
		}
	case entry.UID != h.UID && h.UID != 0:
		return &Error{
			Kind:    KindDenied,
			Message: fmt.Sprintf("%s: the mount belongs to user %d", mountpoint, entry.UID),
			Hint:    "sudo sstatefs status " + mountpoint,
		}
	}
	return deadError(mountpoint)
}

// Mountpoints are those of this user, for root of everybody, as far as that can
// be said without asking a daemon, which might hang: a shell waits for it.
func (h Host) Mountpoints() []string {
	table, err := ReadTable()
	if err != nil {
		return nil
	}
	var all []string
	for _, info := range table.believed(h.records()) {
		all = append(all, info.Mountpoint)
	}
	for _, e := range table {
		if e.Ours() && (e.UID == h.UID || h.UID == 0) {
			all = append(all, e.Mountpoint)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Mounts asks every mount of this machine that the user may ask, all at once,
// and adds those in the kernel's table that have no daemon. They are sorted by
// mountpoint.
func (h Host) Mounts(ctx context.Context) ([]Found, error) {
	table, err := ReadTable()
	if err != nil {
		return nil, err
	}
	records := table.believed(h.records())
	all := make([]Found, len(records))
	seen := make(map[string]bool)
	var wg sync.WaitGroup
	for i, info := range records {
		seen[info.Mountpoint] = true
		wg.Go(func() {
			all[i].Mountpoint = info.Mountpoint
			all[i].Status, all[i].Err = newClient(info).Status(ctx)
		})
	}
	wg.Wait()
	for _, entry := range table {
		if entry.Ours() && !seen[entry.Mountpoint] {
			seen[entry.Mountpoint] = true
			all = append(all, Found{Mountpoint: entry.Mountpoint, Err: h.absence(table, entry.Mountpoint)})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Mountpoint < all[j].Mountpoint })
	return all, nil
}
