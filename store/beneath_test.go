package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// trap is a store in whose scratch the names "way", "ee", "ee/ee" and "universal"
// are links to a folder outside, and "last" one to a file there: what a user
// leaves behind who renames his folder away while a call of his is under way.
type trap struct {
	*rig
	outside string
	object  string
}

func newTrap(t *testing.T) *trap {
	p := &trap{rig: newRig(t, nil), outside: t.TempDir(), object: testKey(1, "package")}
	p.publishAs(p.object)
	for _, dir := range []string{"folder", "folder/inner", "ee"} {
		p.must(os.MkdirAll(filepath.Join(p.outside, dir), 0o755))
	}
	for _, name := range []string{"victim", "folder/inner/x", "ee/" + lured} {
		p.must(os.WriteFile(filepath.Join(p.outside, name), []byte("secret"), 0o644))
	}
	p.must(os.Symlink("victim", filepath.Join(p.outside, "link")))
	for _, name := range []string{"way", "ee", "universal"} {
		p.must(os.Symlink(p.outside, p.layout.scratch(name)))
	}
	p.must(os.Symlink(p.outside+"/victim", p.layout.scratch("last")))
	p.must(os.WriteFile(p.layout.scratch("mine"), []byte("mine"), 0o644))
	p.must(os.Mkdir(p.layout.scratch("folder"), 0o755))
	return p
}

// lured is the base name of an object below ee/ee.
const lured = "sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:" +
	"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee_package.tar.zst.siginfo"

func (p *trap) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// publishAs publishes something under a key.
func (p *trap) publishAs(key string) {
	p.t.Helper()
	p.must(os.WriteFile(p.layout.scratch("tmp"), []byte("content"), 0o644))
	_, err := p.Link(context.Background(), "tmp", key)
	p.must(err)
	p.must(p.Unlink(context.Background(), "tmp"))
}

// look is all that can change outside but the times of reading.
func (p *trap) look() string {
	var all []string
	_ = filepath.WalkDir(p.outside, func(path string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		p.must(errors.Join(err, unix.Lstat(path, &st)))
		var content []byte
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			content, _ = os.ReadFile(path)
		}
		all = append(all, fmt.Sprintf("%s inode %d mode %o links %d owner %d.%d changed %v content %q",
			path, st.Ino, st.Mode, st.Nlink, st.Uid, st.Gid, st.Ctim, content))
		return nil
	})
	return strings.Join(all, "\n")
}

// escapes are the calls that would leave scratch, by what they do.
func escapes() map[string]func(ctx context.Context, p *trap) error {
	mode, size, uid, old := uint32(0o4755), int64(0), uint32(4711), time.Unix(1, 0)
	attr := func(path string, a Attr) func(context.Context, *trap) error {
		return func(ctx context.Context, p *trap) error {
			_, err := p.SetAttr(ctx, path, nil, a)
			return err
		}
	}
	open := func(path string, flags int) func(context.Context, *trap) error {
		return func(_ context.Context, p *trap) error { return closed(p.OpenFile(path, flags)) }
	}
	create := func(path string, flags int) func(context.Context, *trap) error {
		return func(ctx context.Context, p *trap) error {
			f, _, err := p.CreateFile(ctx, path, flags, 0o4755, Caller{UID: 4711, GID: 4711})
			return closed(f, err)
		}
	}
	link := func(from, to string) func(context.Context, *trap) error {
		return func(ctx context.Context, p *trap) error {
			_, err := p.Link(ctx, from, to)
			return err
		}
	}
	rename := func(from, to string, flags uint32) func(context.Context, *trap) error {
		return func(ctx context.Context, p *trap) error { return p.Rename(ctx, from, to, flags) }
	}
	object := testKey(1, "package")
	all := map[string]func(context.Context, *trap) error{
		"link here":        link("way/victim", "copy"),
		"link there":       link("mine", "way/new"),
		"link of object":   link(object, "way/new"),
		"publish":          link("way/victim", testKey(2, "package")),
		"publish a link":   link("last", testKey(2, "package")),
		"move and publish": rename("way/victim", testKey(2, "package"), 0),
		"move here":        rename("way/victim", "stolen", 0),
		"move there":       rename("mine", "way/new", 0),
		"move over":        rename("mine", "way/victim", 0),
		"move object":      rename(object, "way/new", 0),
		"move object new":  rename(object, "way/new", unix.RENAME_NOREPLACE),
		"move folder":      rename("folder", "way/new", 0),
		"exchange":         rename("mine", "way/victim", unix.RENAME_EXCHANGE),
		"unlink":           func(ctx context.Context, p *trap) error { return p.Unlink(ctx, "way/victim") },
		"rmdir":            func(ctx context.Context, p *trap) error { return p.Rmdir(ctx, "way/ee") },
		"readlink": func(_ context.Context, p *trap) error {
			_, err := p.Readlink("way/link")
			return err
		},
		"stat": func(ctx context.Context, p *trap) error {
			_, err := p.Lookup(ctx, "way/victim")
			return err
		},
		"list": func(ctx context.Context, p *trap) error {
			_, err := p.ReadDir(ctx, "way")
			return err
		},
		"list below": func(ctx context.Context, p *trap) error {
			_, err := p.ReadDir(ctx, "way/folder")
			return err
		},
		"symlink": func(ctx context.Context, p *trap) error {
			_, err := p.Symlink(ctx, "x", "way/new", Caller{})
			return err
		},
		"mknod": func(ctx context.Context, p *trap) error {
			_, err := p.Mknod(ctx, "way/new", unix.S_IFIFO|0o644, 0, Caller{})
			return err
		},
		"hold": func(_ context.Context, p *trap) error { return closed(p.OpenPath("way/victim")) },
	}
	for _, path := range []string{"way/new", "universal/ab/cd"} {
		all["mkdir "+path] = func(ctx context.Context, p *trap) error {
			_, err := p.Mkdir(ctx, path, 0o755, Caller{UID: 4711})
			return err
		}
		all["create "+path+"1"] = create(path+"1", unix.O_RDWR)
	}
	for _, path := range []string{"way/victim", "last"} {
		all["chmod "+path] = attr(path, Attr{Mode: &mode})
		all["truncate "+path] = attr(path, Attr{Size: &size})
		all["create "+path] = create(path, unix.O_RDWR|unix.O_TRUNC)
		all["open "+path] = open(path, unix.O_RDONLY)
		all["empty "+path] = open(path, unix.O_RDWR|unix.O_TRUNC)
		all["empty reading "+path] = open(path, unix.O_RDONLY|unix.O_TRUNC)
	}
	all["chown"] = attr("way/victim", Attr{UID: &uid})
	all["utime"] = attr("way/victim", Attr{Times: Times{Mtime: &old}})
	return all
}

func closed(f *os.File, err error) error {
	if err == nil {
		f.Close()
	}
	return err
}

// TestNothingLeavesScratch: a link in the place of a folder or a file leads no
// call out of scratch, whoever put it there.
func TestNothingLeavesScratch(t *testing.T) {
	for what, do := range escapes() {
		t.Run(what, func(t *testing.T) {
			p := newTrap(t)
			before := p.look()
			if err := do(context.Background(), p); err == nil {
				t.Error("no error")
			}
			if now := p.look(); now != before {
				t.Errorf("outside is now\n%s\nand was\n%s", now, before)
			}
			for _, name := range []string{"copy", "stolen"} {
				if _, err := os.Lstat(p.layout.scratch(name)); err == nil {
					t.Errorf("%s is here", name)
				}
			}
			if p.isVisible(context.Background(), testKey(2, "package")) {
				t.Error("published")
			}
		})
	}
}

// TestNothingLeavesByItself: neither does what the store does there of its own.
func TestNothingLeavesByItself(t *testing.T) {
	ctx, uid, old := context.Background(), uint32(4711), time.Unix(1, 0)
	key := "ee/ee/" + lured
	for what, do := range map[string]func(p *trap){
		"times and owner of a link": func(p *trap) {
			a := Attr{Times: Times{Mtime: &old}}
			if os.Getuid() == 0 {
				a.UID = &uid
			}
			e, err := p.SetAttr(ctx, "last", nil, a)
			if p.must(err); !e.Mtime.Equal(old) || e.Mode&unix.S_IFMT != unix.S_IFLNK {
				t.Errorf("the link is %+v", e)
			}
		},
		"what could not be published": func(p *trap) {
			d, _, err := p.CreateDraft(strings.TrimSuffix(key, ".siginfo"), true)
			p.must(err)
			_, err = d.WriteAt([]byte("half"), 0)
			p.must(err)
			_, _ = d.Close(ctx)
		},
		"what an object replaces": func(p *trap) {
			p.names.setOdd(key, true)
			p.must(p.Rename(ctx, "mine", key, 0))
		},
		"the folder of a removed object": func(p *trap) {
			p.must(p.Rename(ctx, "mine", key, 0))
			_ = p.Unlink(ctx, key)
		},
		"fsync of a folder": func(p *trap) { _ = p.SyncDir("way") },
		"whose name it is": func(p *trap) {
			_ = p.MayTake(ctx, "universal/ee", Caller{UID: 4711})
			_ = p.leadsToObjects(ctx, "universal")
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := newTrap(t)
			before := p.look()
			do(p)
			if now := p.look(); now != before {
				t.Errorf("outside is now\n%s\nand was\n%s", now, before)
			}
		})
	}
}

// TestFoldersSwappedMeanwhile: nor does a link that comes and goes while the
// calls are under way.
func TestFoldersSwappedMeanwhile(t *testing.T) {
	p := newTrap(t)
	ctx := context.Background()
	real, way := p.layout.scratch("folder"), p.layout.scratch("way")
	p.must(os.Rename(p.outside+"/victim", p.outside+"/shadow")) // who finds it looked outside
	before := p.look()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, real, unix.AT_FDCWD, way, unix.RENAME_EXCHANGE)
			}
		}
	}()
	mode, size := uint32(0o4755), int64(0)
	for n := range 300 {
		if f, _, err := p.CreateFile(ctx, "way/shadow", unix.O_RDWR, 0o644, Caller{UID: 4711, GID: 4711}); err == nil {
			f.Close()
		}
		_, _ = p.SetAttr(ctx, "way/shadow", nil, Attr{Mode: &mode})
		_, _ = p.SetAttr(ctx, "way/shadow", nil, Attr{Size: &size})
		_, _ = p.Link(ctx, "way/shadow", fmt.Sprintf("copy%d", n))
		_, _ = p.Link(ctx, "mine", "way/copy")
		_ = p.Rename(ctx, "way/copy", "way/shadow", 0)
		_, _ = p.Mkdir(ctx, fmt.Sprintf("way/d%d", n), 0o755, Caller{})
		_ = p.Rename(ctx, fmt.Sprintf("way/d%d", n), "way/folder", 0)
		_ = p.Unlink(ctx, "way/shadow")
	}
	close(stop)
	<-done
	if now := p.look(); now != before {
		t.Errorf("outside is now\n%s\nand was\n%s", now, before)
	}
}

// TestErrnoOfScratch: what a caller is told is what a folder of the disk says.
func TestErrnoOfScratch(t *testing.T) {
	p, ctx := newTrap(t), context.Background()
	mode := uint32(0o644)
	for what, got := range map[string]struct{ err, want error }{
		"create in none":   {p.createIn(ctx, "folder/none/x"), syscall.ENOENT},
		"create in a file": {p.createIn(ctx, "mine/x"), syscall.ENOTDIR},
		"create, long":     {p.createIn(ctx, strings.Repeat("n", 256)), syscall.ENAMETOOLONG},
		"create, taken":    {p.createIn(ctx, "mine"), syscall.EEXIST},
		"open a pipe":      {p.openPipe(), syscall.ENXIO},
		"open a folder":    {closed(p.OpenFile("folder", unix.O_RDWR)), syscall.EISDIR},
		"open a link":      {closed(p.OpenFile("last", unix.O_RDWR)), syscall.ELOOP},
		"open none":        {closed(p.OpenFile("none", unix.O_RDWR)), syscall.ENOENT},
		"unlink a folder":  {p.Unlink(ctx, "folder"), syscall.EISDIR},
		"rmdir a file":     {p.Rmdir(ctx, "mine"), syscall.ENOTDIR},
		"rename none":      {p.Rename(ctx, "none", "else", 0), syscall.ENOENT},
		"rename in none":   {p.Rename(ctx, "mine", "folder/none/x", 0), syscall.ENOENT},
		"rename into own":  {p.Rename(ctx, "folder", "folder/x", 0), syscall.EINVAL},
		"rename over":      {p.Rename(ctx, "mine", "folder", 0), syscall.EISDIR},
		"rename, taken":    {p.Rename(ctx, "mine", "folder", unix.RENAME_NOREPLACE), syscall.EEXIST},
		"chmod none":       {p.chmod(ctx, "none", mode), syscall.ENOENT},
		"chmod a link":     {p.chmod(ctx, "last", mode), syscall.EOPNOTSUPP},
		"chmod the root":   {p.chmod(ctx, "", 0o775), nil},
	} {
		if !errors.Is(got.err, got.want) {
			t.Errorf("%s = %v, want %v", what, got.err, got.want)
		}
	}
}

func (p *trap) createIn(ctx context.Context, path string) error {
	f, _, err := p.CreateFile(ctx, path, unix.O_RDWR, 0o644, Caller{})
	return closed(f, err)
}

// openPipe opens what would keep its reader waiting.
func (p *trap) openPipe() error {
	p.must(unix.Mkfifo(p.layout.scratch("pipe"), 0o644))
	return closed(p.OpenFile("pipe", unix.O_RDONLY))
}

func (p *trap) chmod(ctx context.Context, path string, mode uint32) error {
	_, err := p.SetAttr(ctx, path, nil, Attr{Mode: &mode})
	return err
}
