// Command loopback mounts a directory through go-fuse's own loopback file
// system: what the mount of sstatefs is measured against. Nobody on go-fuse
// does less work for a request.
//
//	loopback [-passthrough=false] [-entry 1h] [-attr 1m] [-negative 5s] DIR MOUNTPOINT
//
// The kernel settings are those of package fs, so that both get the same
// requests: go-fuse's example program would be asked for security.capability
// before each write, and for attributes with each name of a listing.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// settings are the flags.
type settings struct {
	passthrough           bool
	entry, attr, negative time.Duration
	dir, mountpoint       string
}

func main() {
	s := settings{}
	flag.BoolVar(&s.passthrough, "passthrough", true, "let the kernel read and write the files itself (root, Linux 6.9)")
	// What the kernel may keep of an object behind an index, see fs/attr.go.
	flag.DurationVar(&s.entry, "entry", time.Hour, "how long names are kept")
	flag.DurationVar(&s.attr, "attr", time.Minute, "how long attributes are kept")
	flag.DurationVar(&s.negative, "negative", 5*time.Second, "how long it is kept that a name is not there")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: loopback [flags] DIR MOUNTPOINT")
		os.Exit(2)
	}
	s.dir, s.mountpoint = flag.Arg(0), flag.Arg(1)
	if err := serve(s); err != nil {
		fmt.Fprintf(os.Stderr, "loopback: %v\n", err)
		os.Exit(1)
	}
}

// serve mounts, says whether passthrough is on and works until it is unmounted
// or told to end.
func serve(s settings) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	syscall.Umask(0) // the kernel has applied the caller's
	root, err := fs.NewLoopbackRoot(s.dir)
	if err != nil {
		return err
	}
	server, err := fs.Mount(s.mountpoint, root, options(s))
	if err != nil {
		return err
	}
	fmt.Printf("passthrough %v\n", passes(server, s.dir))
	ended := make(chan struct{})
	go func() {
		server.Wait()
		close(ended)
	}()
	for {
		select {
		case <-signals:
			if err := server.Unmount(); err != nil {
				fmt.Fprintf(os.Stderr, "loopback: %v\n", err) // in use
			}
		case <-ended:
			return nil
		}
	}
}

// options are those of fs.Mount.
func options(s settings) *fs.Options {
	o := &fs.Options{
		EntryTimeout: &s.entry, AttrTimeout: &s.attr, NegativeTimeout: &s.negative,
		NullPermissions: true,
		MountOptions: fuse.MountOptions{
			FsName: s.dir, Name: "loopback",
			DisableXAttrs:            true,
			ExplicitDataCacheControl: true,
			DisableReadDirPlus:       true,
			MaxWrite:                 1 << 20,
			MaxBackground:            256,
			MaxStackDepth:            2,
			ExtraCapabilities:        fuse.CAP_ATOMIC_O_TRUNC,
			DirectMount:              os.Getuid() == 0,
			EnableLocks:              true,
			DisabledCapabilities:     fuse.CAP_FLOCK_LOCKS,
		},
	}
	if !s.passthrough {
		o.DisabledCapabilities |= fuse.CAP_PASSTHROUGH
	}
	return o
}

// passes asks the kernel whether it takes a file of the directory.
func passes(server *fuse.Server, dir string) bool {
	f, err := os.CreateTemp(dir, ".loopback-")
	if err != nil {
		return false
	}
	defer os.Remove(f.Name())
	defer f.Close()
	id, errno := server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(f.Fd())})
	return errno == 0 && server.UnregisterBackingFd(id) == 0
}
