package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// checkFUSE says what this user lacks to mount, each with its mend.
func checkFUSE(uid int, allowOther bool) error {
	if err := checkDevice("/dev/fuse"); err != nil {
		return err
	}
	if uid == 0 {
		return nil // mounts by itself
	}
	if _, err := exec.LookPath("fusermount3"); err != nil {
		return &failure{
			code: exitFailed, err: errors.New("mount: fusermount3 is not installed"),
			hint: "sudo apt-get install fuse3",
		}
	}
	if allowOther {
		return checkAllowOther("/etc/fuse.conf")
	}
	return nil
}

func checkDevice(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		return f.Close()
	}
	why := &failure{code: exitFailed, err: fmt.Errorf("mount: %w", err)}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		why.hint = "sudo modprobe fuse (a container needs --device /dev/fuse)"
	case errors.Is(err, syscall.EPERM):
		why.hint = "a container needs --device /dev/fuse and --cap-add SYS_ADMIN"
	case errors.Is(err, fs.ErrPermission):
		why.hint = "sudo chmod 0666 /dev/fuse (what the udev rule of fuse3 sets)"
	}
	return why
}

// checkAllowOther looks for the line that lets ordinary users use
// --allow-other (mount.fuse3(8)).
func checkAllowOther(conf string) error {
	text, err := os.ReadFile(conf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mount: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) == "user_allow_other" {
			return nil
		}
	}
	return &failure{
		code: exitFailed,
		err:  fmt.Errorf("mount: --allow-other: %s does not allow it to ordinary users", conf),
		hint: "echo user_allow_other | sudo tee -a " + conf,
	}
}
