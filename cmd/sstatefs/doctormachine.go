package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// wantedFiles is the least number of open files that serves a build: one for
// each object that is being read, and one for each transfer.
const wantedFiles = 4096

// passthroughKernel is the first kernel where FUSE hands reads on.
const passthroughMajor, passthroughMinor = 6, 9

// machine checks what every mount needs.
func (d *diagnosis) machine() {
	d.fuseDevice()
	d.mountRights(os.Getuid())
	d.openFiles()
	d.passthrough()
}

func (d *diagnosis) fuseDevice() {
	const check = "fuse-device"
	if err := checkDevice("/dev/fuse"); err != nil {
		d.blame("machine", check, verdictFail, err)
		return
	}
	d.note("machine", check, verdictOK, "/dev/fuse can be opened")
}

func (d *diagnosis) mountRights(uid int) {
	if uid == 0 {
		d.note("machine", "fusermount3", verdictOK, "not needed: root mounts by itself")
		return
	}
	if path, err := exec.LookPath("fusermount3"); err == nil {
		d.note("machine", "fusermount3", verdictOK, path)
	} else {
		d.note("machine", "fusermount3", verdictFail, "not installed: only root could mount")
		d.mend("sudo apt-get install fuse3")
	}
	const check, conf = "user-allow-other", "/etc/fuse.conf"
	if err := checkAllowOther(conf); err != nil {
		d.blame("machine", check, verdictWarn, err)
		return
	}
	d.note("machine", check, verdictOK, conf+" lets ordinary users mount with --allow-other")
}

// openFiles looks at the hard limit: the Go runtime raises the soft one to it.
func (d *diagnosis) openFiles() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		d.blame("machine", "open-files", verdictWarn, err)
		return
	}
	if limit.Max < wantedFiles {
		d.note("machine", "open-files", verdictWarn, fmt.Sprintf("at most %d at a time, builds may need %d", limit.Max, wantedFiles))
		d.mend("raise nofile in /etc/security/limits.conf, or LimitNOFILE= of the service")
		return
	}
	d.note("machine", "open-files", verdictOK, fmt.Sprintf("up to %d at a time", limit.Max))
}

// passthrough is a matter of speed only, so its lack is no fault.
func (d *diagnosis) passthrough() {
	const check = "passthrough"
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		d.blame("machine", check, verdictWarn, err)
		return
	}
	release := unix.ByteSliceToString(name.Release[:])
	switch {
	case !kernelSince(release, passthroughMajor, passthroughMinor):
		d.note("machine", check, verdictOK, fmt.Sprintf("no, reads go through the daemon: kernel %s, %d.%d is needed",
			release, passthroughMajor, passthroughMinor))
	case !hasSysAdmin():
		d.note("machine", check, verdictOK, "no, reads go through the daemon: CAP_SYS_ADMIN is needed (mount as root)")
	default:
		d.note("machine", check, verdictOK, "cached objects are read without the daemon")
	}
}

// kernelSince compares a release like "6.1.0-18-amd64".
func kernelSince(release string, major, minor int) bool {
	var a, b int
	if n, err := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 || err != nil {
		return false
	}
	return a > major || a == major && b >= minor
}

// hasSysAdmin reads the effective capabilities: proc_pid_status(5).
func hasSysAdmin() bool {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		var set uint64
		if n, _ := fmt.Sscanf(line, "CapEff: %x", &set); n == 1 {
			return set&(1<<unix.CAP_SYS_ADMIN) != 0
		}
	}
	return false
}
