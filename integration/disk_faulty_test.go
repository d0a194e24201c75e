package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// diskVariable tells this test binary that it is a faulty disk: the folder behind
// it and its mountpoint.
const diskVariable = "SSTATEFS_FAULTY_DISK"

// A faultyDisk is a file system in front of a folder, that refuses what it is
// told to. It is a process of its own: the daemon that uses it may hang, the test
// may not.
type faultyDisk struct {
	s       *site
	in      io.WriteCloser
	answers *bufio.Scanner
	end     func()
}

// diskFault is what a disk refuses, and how.
type diskFault struct {
	errno syscall.Errno
	what  string
}

// What a disk may refuse.
const (
	changes = "changes" // of names, contents and attributes
	growth  = "growth"  // new names and contents
	reads   = "reads"   // of contents
)

// faultyDisk mounts a disk on a folder of the site.
func (s *site) faultyDisk(name string) *faultyDisk {
	s.t.Helper()
	needsRoot(s.t)
	point, behind := s.mkdir(name, 0o755), s.mkdir(name+"-disk", 0o755)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := s.command(ctx, root, "/proc/self/exe", "-test.run=^$")
	cmd.Env = append(cmd.Env, diskVariable+"="+behind+":"+point)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	d := &faultyDisk{s: s, in: in, answers: bufio.NewScanner(out)}
	d.end = sync.OnceFunc(func() {
		for _, m := range s.mounts {
			m.end()
			m.ended = true
		}
		in.Close() // it unmounts and ends
		late := time.AfterFunc(startLimit, cancel)
		_ = cmd.Wait()
		late.Stop()
		cancel()
	})
	s.t.Cleanup(d.end)
	d.heal() // answers when it is mounted
	return d
}

// refuse has the disk refuse something from now on.
func (d *faultyDisk) refuse(errno syscall.Errno, what string) {
	d.tell(fmt.Sprintf("%d %s", errno, what))
}

// heal ends refuse.
func (d *faultyDisk) heal() { d.tell("0 nothing") }

func (d *faultyDisk) tell(line string) {
	d.s.t.Helper()
	if _, err := io.WriteString(d.in, line+"\n"); err != nil || !d.answers.Scan() {
		d.s.t.Fatalf("faulty disk: %v, %v", err, d.answers.Err())
	}
}

// serveDisk is the process of a faulty disk.
func serveDisk(where string) int {
	behind, point, _ := strings.Cut(where, ":")
	node, err := fs.NewLoopbackRoot(behind)
	if err != nil {
		fmt.Fprintf(os.Stderr, "faulty disk: %v\n", err)
		return 1
	}
	raw := &diskRequests{RawFileSystem: fs.NewNodeFS(node, &fs.Options{})}
	raw.fault.Store(&diskFault{})
	server, err := fuse.NewServer(raw, point, &fuse.MountOptions{FsName: "faulty", DirectMount: true, MaxWrite: 1 << 20})
	if err != nil {
		fmt.Fprintf(os.Stderr, "faulty disk: %v\n", err)
		return 1
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		fmt.Fprintf(os.Stderr, "faulty disk: %v\n", err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var f diskFault
		if _, err := fmt.Sscanf(lines.Text(), "%d %s", &f.errno, &f.what); err != nil {
			fmt.Fprintf(os.Stderr, "faulty disk: %q: %v\n", lines.Text(), err)
			break
		}
		raw.fault.Store(&f)
		fmt.Println("ok")
	}
	if server.Unmount() != nil {
		_ = syscall.Unmount(point, syscall.MNT_DETACH)
	}
	return 0
}

// diskRequests are the requests of the kernel to a disk.
type diskRequests struct {
	fuse.RawFileSystem
	fault atomic.Pointer[diskFault]
}

// Init keeps the server to itself: the kernel would else read and write past us.
func (d *diskRequests) Init(*fuse.Server) {}

// refuses is the status of a request that is one of these kinds.
func (d *diskRequests) refuses(kinds ...string) fuse.Status {
	f := d.fault.Load()
	for _, k := range kinds {
		if f.what == k {
			return fuse.Status(f.errno)
		}
	}
	return fuse.OK
}

func (d *diskRequests) SetAttr(c <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if no := d.refuses(changes); no != fuse.OK {
		return no
	}
	return d.RawFileSystem.SetAttr(c, in, out)
}

func (d *diskRequests) Mkdir(c <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if no := d.refuses(changes, growth); no != fuse.OK {
		return no
	}
	return d.RawFileSystem.Mkdir(c, in, name, out)
}

func (d *diskRequests) Unlink(c <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	if no := d.refuses(changes); no != fuse.OK {
		return no
	}
	return d.RawFileSystem.Unlink(c, in, name)
}

func (d *diskRequests) Rmdir(c <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	if no := d.refuses(changes); no != fuse.OK {
		return no
	}
	return d.RawFileSystem.Rmdir(c, in, name)
}

func (d *diskRequests) Rename(c <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if no := d.refuses(changes); no != fuse.OK {
		return no
	}
	return d.RawFileSystem.Rename(c, in, from, to)
}

func (d *diskRequests) Link(c <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	if no := d.refuses(changes, growth); no != fuse.OK {
		return no
	}
	return d.RawFileSystem.Link(c, in, name, out)
}

func (d *diskRequests) SetXAttr(c <-chan struct{}, in *fuse.SetXAttrIn, name string, data []byte) fuse.Status {
	if no := d.refuses(changes, growth); no != fuse.OK {
		return no
	}
	return d.RawFileSystem.SetXAttr(c, in, name, data)
}

func (d *diskRequests) Create(c <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if no := d.refuses(changes, growth); no != fuse.OK {
		return no
	}
	return d.RawFileSystem.Create(c, in, name, out)
}

func (d *diskRequests) Open(c <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if in.Flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		if no := d.refuses(changes); no != fuse.OK {
			return no
		}
	}
	return d.RawFileSystem.Open(c, in, out)
}

func (d *diskRequests) Read(c <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if no := d.refuses(reads); no != fuse.OK {
		return nil, no
	}
	return d.RawFileSystem.Read(c, in, buf)
}

func (d *diskRequests) Write(c <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if no := d.refuses(changes, growth); no != fuse.OK {
		return 0, no
	}
	return d.RawFileSystem.Write(c, in, data)
}

func (d *diskRequests) Writev(c <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	if no := d.refuses(changes, growth); no != fuse.OK {
		return 0, no
	}
	return d.RawFileSystem.Writev(c, in, data)
}

func (d *diskRequests) Fsync(c <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if no := d.refuses(changes); no != fuse.OK {
		return no
	}
	return d.RawFileSystem.Fsync(c, in)
}
