package fs

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// unmount takes a mount away: root by umount2(2), others by fusermount3.
func unmount(dir string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	err := unix.Unmount(dir, flags)
	if err == nil || !errors.Is(err, syscall.EPERM) {
		return wrapUnmount(dir, err)
	}
	return fusermount(dir, lazy)
}

// fusermount has fusermount3 take a mount away. It gets an environment of its own:
// in ours there may be a password, and its words in another language.
func fusermount(dir string, lazy bool) error {
	args := []string{"-u", dir}
	if lazy {
		args = []string{"-u", "-z", dir}
	}
	cmd := exec.Command("fusermount3", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case strings.Contains(string(out), "busy"):
		return wrapUnmount(dir, syscall.EBUSY)
	}
	return fmt.Errorf("unmount %s: %s", dir, strings.TrimSpace(string(out)))
}

func wrapUnmount(dir string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("unmount %s: %w", dir, err)
}

// DetachDead takes away a mount whose daemon is gone. Somebody else may be
// quicker.
func DetachDead(dir string) error {
	err := unmount(dir, true)
	if _, fstype := mountedAt(dir); err != nil && fstype == "" {
		return nil
	}
	return err
}

// mountedAt tells source and type of the file system mounted on dir, empty if
// none is. It asks /proc, not the mount.
func mountedAt(dir string) (source, fstype string) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", ""
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		// proc(5): ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAGS...] - TYPE SOURCE SUPER
		left, right, ok := strings.Cut(sc.Text(), " - ")
		fields, rest := strings.Fields(left), strings.Fields(right)
		if ok && len(fields) > 4 && len(rest) > 1 && unescape(fields[4]) == dir {
			source, fstype = unescape(rest[1]), rest[0] // the last one is on top
		}
	}
	return source, fstype
}

// unescape undoes the octal escapes of /proc/self/mountinfo.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
