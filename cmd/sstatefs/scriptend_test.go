package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sstatefs/ctl"
	fusefs "sstatefs/fs"
)

// scriptLimit is when a script hangs. The longest takes half a minute with the
// race detector on a busy machine.
const scriptLimit = 3 * time.Minute

// watch fails a script that hangs: past the limit its processes are ended, again
// and again, so that whatever it waits for comes. The Deadline of testscript
// would not do: it counts the time of all scripts, and ends a command only, which
// is waited for as long as a daemon that it started holds its stdout.
func watch(env *testscript.Env, limit time.Duration) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ended:
			return
		case <-time.After(limit):
		}
		env.T().(testing.TB).Errorf("not done within %v: its processes are ended", limit)
		for _, pid := range processesOf(env.WorkDir) {
			_ = syscall.Kill(pid, syscall.SIGQUIT) // prints where the program hangs
		}
		for {
			select {
			case <-ended:
				return
			case <-time.After(time.Second):
				sweep(env)
			}
		}
	}()
	return func() {
		close(ended)
		<-done
	}
}

// processesOf are those that a script started, and their children: they have
// its folder in their environment.
func processesOf(work string) []int {
	var all []int
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains("\x00"+string(text), "\x00WORK="+work+"\x00") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// sweep ends what a script left behind, so that a failed one takes nothing
// down with it.
func sweep(env *testscript.Env) {
	for _, pid := range processesOf(env.WorkDir) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	table, err := ctl.ReadTable()
	if err != nil {
		env.T().Log(err)
		return
	}
	for _, entry := range table {
		if strings.HasPrefix(entry.Mountpoint, env.WorkDir+"/") {
			env.T().Log("left mounted: " + entry.Mountpoint)
			_ = abortConnection(entry.Connection)
			if err := fusefs.DetachDead(entry.Mountpoint); err != nil {
				env.T().Log(err)
			}
		}
	}
}
