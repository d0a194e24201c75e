package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"
)

// memory is how much of the daemon is in memory now, in bytes.
func (d *daemon) memory() (rss int64, err error) { return d.number("status", "VmRSS:", 1<<10) }

// peak is the most that was in memory at a time.
func (d *daemon) peak() (rss int64, err error) { return d.number("status", "VmHWM:", 1<<10) }

// forgetPeak begins anew (proc_pid_clear_refs(5)).
func (d *daemon) forgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", d.cmd.Process.Pid), []byte("5"), 0)
}

// reads is how many read calls the daemon has made. Each request is one; what
// else it reads counts too.
func (d *daemon) reads() (int64, error) { return d.number("io", "syscr:", 1) }

// number is one of a file in /proc, in a unit.
func (d *daemon) number(file, key string, unit int64) (n int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", d.cmd.Process.Pid, file))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), key)
	_, err = fmt.Sscan(after, &n)
	return n * unit, err
}

// cpu is how long the daemon has computed.
func (d *daemon) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// Fields 14 and 15, in ticks of 10 ms; the name, field 2, may hold spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var user, system int64
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// A load is what a daemon did for a run.
type load struct {
	reads int64
	cpu   time.Duration
}

// load is what the daemon has done so far; nothing for a plain directory.
func (d *daemon) load() (l load, err error) {
	if d == nil {
		return l, nil
	}
	if l.reads, err = d.reads(); err != nil {
		return l, err
	}
	l.cpu, err = d.cpu()
	return l, err
}
