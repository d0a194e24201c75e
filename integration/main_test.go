package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Places that TestMain fills in before the first test.
var (
	binary  string // the program that was built
	scripts string // testdata, where every user can read it
)

// python is the system's: others (pyenv) are shell wrappers that ordinary
// users cannot run.
const python = "/usr/bin/python3"

func TestMain(m *testing.M) {
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	if os.Getenv(posixVariable) != "" {
		return m.Run() // a child of TestPosixSuite, in its mount
	}
	if where := os.Getenv(diskVariable); where != "" {
		return serveDisk(where)
	}
	if missing := missingTools(); len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "integration: missing: %s: run make deps\n", strings.Join(missing, ", "))
		return 1
	}
	dir, err := os.MkdirTemp("", "sstatefs-program-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "integration: %v\n", err)
		return 1
	}
	return m.Run()
}

// missingTools names what `make deps` would install.
func missingTools() []string {
	var missing []string
	for _, tool := range []string{"zstd", "gzip", "tar", "fusermount3", "setpriv", "flock"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if exec.Command(python, "-c", "import sqlite3, ctypes, fcntl, mmap").Run() != nil {
		missing = append(missing, "python3")
	}
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		missing = append(missing, fmt.Sprintf("/dev/fuse (%v)", err))
	}
	return missing
}

// raceDaemon tells that the program is built with the race detector. That is slow:
// make test does it for a part of the tests.
var raceDaemon = os.Getenv("SSTATEFS_TEST_RACE_DAEMON") != ""

// prepare builds the program and puts it and the scripts where every user can
// read them.
func prepare(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	unix.Umask(0o022)
	removeDeadMounts()
	if os.Getuid() == 0 {
		mountFusectl()
	}
	binary, scripts = filepath.Join(dir, "sstatefs"), filepath.Join(dir, "testdata")
	args := []string{"build", "-o", binary}
	if raceDaemon {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "sstatefs/cmd/sstatefs")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return os.CopyFS(scripts, os.DirFS("testdata"))
}

// mountFusectl makes connections abortable. Debian's systemd does it; a
// container may not have it.
func mountFusectl() {
	const dir = "/sys/fs/fuse/connections"
	err := unix.Mount("none", dir, "fusectl", 0, "")
	if err != nil && !errors.Is(err, unix.EBUSY) {
		fmt.Fprintf(os.Stderr, "integration: fusectl: %v (a hung mount is ended by killing its daemon)\n", err)
	}
}

// removeDeadMounts detaches what a run that was killed left behind.
func removeDeadMounts() {
	prefix := filepath.Join(os.TempDir(), sitePrefix)
	for _, e := range mountsBelow(prefix) {
		process, _, _ := strings.Cut(e.point[len(prefix):], "-")
		if _, err := os.Stat("/proc/" + process); err == nil {
			continue // another run
		}
		if err := unix.Access(e.point, unix.F_OK); errors.Is(err, unix.ENOTCONN) {
			_ = unix.Unmount(e.point, unix.MNT_DETACH)
		}
	}
}
