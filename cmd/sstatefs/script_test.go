package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sstatefs/ctl"
)

// patience bounds every wait of a script.
const patience = 30 * time.Second

// In a script the test binary is the program: whoever mounts is a child
// process.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sstatefs": main})
}

// The scripts need /dev/fuse and, for an ordinary user, fusermount3: `make
// deps` sees to that. Without them they fail, they do not skip.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setup,
		Cmds:                commands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// commands are what scripts have beside the usual.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"code":       cmdCode,
		"mounted":    cmdMounted,
		"unmounted":  cmdUnmounted,
		"gone":       cmdGone,
		"signal":     cmdSignal,
		"publish":    cmdPublish,
		"eventually": cmdEventually,
	}
}

// setup gives each script a machine of its own: home, cache and runtime
// folders, and the folders remote and mnt.
func setup(env *testscript.Env) error {
	for _, name := range []string{"home", "cache", "run", "remote", "mnt"} {
		if err := os.MkdirAll(filepath.Join(env.WorkDir, name), 0o700); err != nil {
			return err
		}
	}
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
	env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "run"))
	hooks, err := filepath.Abs("../../docs/hooks")
	if err != nil {
		return err
	}
	env.Setenv("HOOKS", hooks)
	// A program with the race detector waits a second before it ends.
	env.Setenv("GORACE", "atexit_sleep_ms=10")
	stop := watch(env, scriptLimit)
	env.Defer(func() {
		stop()
		sweep(env)
	})
	return nil
}

// records are those of the mounts that a script made.
func records(work string) []ctl.MountInfo {
	paths, _ := filepath.Glob(filepath.Join(work, "run/sstatefs/*.json"))
	var all []ctl.MountInfo
	for _, path := range paths {
		var info ctl.MountInfo
		text, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(text, &info) == nil {
			all = append(all, info)
		}
	}
	return all
}

func until(ts *testscript.TestScript, what string, done func() bool) {
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			ts.Fatalf("waited %s for %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// cmdCode runs a command and wants its exit code: code 2 sstatefs foo
func cmdCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func isMounted(ts *testscript.TestScript, dir string) bool {
	table, err := ctl.ReadTable()
	ts.Check(err)
	entry, ok := table.At(ts.MkAbs(dir))
	return ok && entry.Ours()
}

// try runs a command without noise in the log of the script.
func try(ts *testscript.TestScript, args ...string) (stdout string, ok bool) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"WORK", "PATH", "HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "GORACE", "HOOKS"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := cmd.Output()
	return string(out), err == nil
}

// cmdMounted waits until a mount answers its control socket: mounted mnt
func cmdMounted(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "the mount of "+args[0], func() bool {
		_, ok := try(ts, "sstatefs", "status", args[0])
		return ok
	})
}

// cmdUnmounted waits until nothing is mounted there: unmounted mnt
func cmdUnmounted(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "the end of the mount of "+args[0], func() bool { return !isMounted(ts, args[0]) })
}

// cmdSignal sends a signal to the daemon of a mount: signal TERM mnt. It keeps
// the pid for gone.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP,
		"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
	}
	for _, info := range records(ts.Getenv("WORK")) {
		if info.Mountpoint == ts.MkAbs(args[1]) {
			ts.Setenv("DAEMON", strconv.Itoa(info.PID))
			ts.Check(syscall.Kill(info.PID, signals[args[0]]))
			if args[0] == "STOP" { // which takes effect a little later
				until(ts, "the daemon to stop", func() bool { return stateOf(info.PID) == "T" })
			}
			return
		}
	}
	ts.Fatalf("no daemon for %s", args[1])
}

// cmdGone waits until the process of the last signal has ended: gone
func cmdGone(ts *testscript.TestScript, _ bool, _ []string) {
	pid, err := strconv.Atoi(ts.Getenv("DAEMON"))
	ts.Check(err)
	until(ts, "the end of the daemon", func() bool {
		// One that nobody has waited for yet is gone all the same, as soon as its
		// last thread is.
		threads, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*"))
		state := stateOf(pid)
		return state == "" || state == "Z" && len(threads) <= 1
	})
}

// stateOf is the letter of a process's state, empty if there is no process.
func stateOf(pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:min(1, len(rest))]
}

// cmdPublish publishes an archive the way BitBake does, in a process of its
// own: publish mnt abcd
func cmdPublish(ts *testscript.TestScript, _ bool, args []string) {
	hash := args[1] + strings.Repeat("0", 64-len(args[1]))
	const script = `set -e
cd "$1"; mkdir -p "$2"; t=$(mktemp "$2/$3.XXXXXXXX")
echo hello > "$t"; ln "$t" "$2/$3"; rm "$t"`
	ts.Check(ts.Exec("sh", "-c", script, "sh", ts.MkAbs(args[0]), hash[:2]+"/"+hash[2:4],
		"sstate:hello:core2-64-poky-linux:1.0:r0:core2-64:14:"+hash+"_populate_sysroot.tar.zst"))
}

// cmdEventually runs a command until its stdout has a text:
// eventually offline sstatefs status mnt
func cmdEventually(ts *testscript.TestScript, _ bool, args []string) {
	last := ""
	defer func() { ts.Logf("[last stdout]\n%s", last) }()
	until(ts, args[0], func() bool {
		out, ok := try(ts, args[1:]...)
		last = out
		return ok && strings.Contains(out, args[0])
	})
	ts.Check(ts.Exec(args[1], args[2:]...)) // for stdout of the script
}
