//go:build failpoints

package failpoint

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// The variables of the environment.
const (
	pointVariable = "SSTATEFS_FAILPOINT" // NAME:N
	syncsVariable = "SSTATEFS_SYNCS"     // path of a file, appended to
)

// point is where the process dies.
type point struct {
	name   string
	nth    int64
	passed atomic.Int64
}

// armed reads the environment once. There is one process to kill, so there is
// one point, and it belongs to nobody's options.
var armed = sync.OnceValue(func() *point {
	name, n, _ := strings.Cut(os.Getenv(pointVariable), ":")
	nth, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		return &point{}
	}
	return &point{name: name, nth: nth}
})

// Pass kills the process if it is told to at this passing of the point. It then
// does not return.
func Pass(name string) {
	p := armed()
	if p.name != name || p.passed.Add(1) != p.nth {
		return
	}
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {} // whatever the other threads are at, this one has ended here
}

// Synced notes that a file or folder was brought to disk as it is now: of a
// file its content, of a folder its names.
func Synced(path string) {
	log := os.Getenv(syncsVariable)
	if log == "" {
		return
	}
	if strings.HasPrefix(path, "/proc/self/fd/") { // of a file that is open
		path, _ = os.Readlink(path)
	}
	if err := note(log, path); err != nil {
		panic(fmt.Sprintf("failpoint: %s: %v", path, err))
	}
}

// SyncedAll is Synced for all that is below a folder.
func SyncedAll(root string) {
	_ = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil { // else it went away meanwhile
			Synced(path)
		}
		return nil
	})
}

// note appends one line to log: a path and its identity, and for a folder each
// name in it with its own. Names of the cache hold neither tabs nor newlines.
func note(log, path string) error {
	words := []string{path, Identity(path)}
	if names, err := os.ReadDir(path); err == nil {
		for _, n := range names {
			words = append(words, n.Name(), Identity(path+"/"+n.Name()))
		}
	}
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(strings.Join(words, "\t") + "\n")
	return err
}
