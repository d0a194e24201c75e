package ctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pathLimit is the room in sockaddr_un.sun_path, with its closing zero
// (unix(7)).
const pathLimit = 108

// listen makes the socket at path, mode 0600. What a dead daemon left there is
// replaced; a living one is not.
func listen(path string) (*net.UnixListener, error) {
	if err := removeDeadSocket(path); err != nil {
		return nil, err
	}
	short, release, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer release()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	l.SetUnlinkOnClose(false) // short may be gone by then; the Server removes path
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func removeDeadSocket(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s: exists and is no socket", path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := dialSocket(ctx, path)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s: another daemon listens there", path)
	}
	return os.Remove(path)
}

func dialSocket(ctx context.Context, path string) (*net.UnixConn, error) {
	short, release, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", short)
	if err != nil {
		return nil, cause(err)
	}
	return conn.(*net.UnixConn), nil
}

// shortPath gives a path that fits into a socket address. A long one goes
// through a descriptor of its folder, which must stay open until release.
func shortPath(path string) (short string, release func(), err error) {
	if len(path) < pathLimit {
		return path, func() {}, nil
	}
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", filepath.Dir(path), err)
	}
	short = filepath.Join("/proc/self/fd", strconv.Itoa(dir), filepath.Base(path))
	if len(short) >= pathLimit {
		unix.Close(dir)
		return "", nil, fmt.Errorf("%s: the name of the socket is too long", path)
	}
	return short, func() { unix.Close(dir) }, nil
}

// cause strips what package net says around an errno: the address in it may be
// the one of shortPath.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// peerUID tells who is at the other end: for a client who listened, for a
// server who connected.
func peerUID(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *unix.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, sockErr); err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}
