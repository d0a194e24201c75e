package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"sstatefs/ctl"
)

// herald tells whoever started a mount how it went: the terminal, the parent
// of a daemon, systemd.
type herald struct {
	p      *program
	pipe   *os.File // to the parent of a daemon, nil in the foreground
	logDir string   // of a daemon's log
}

// message is what a daemon tells its parent: Mount, or the rest.
type message struct {
	Mount *ctl.MountInfo `json:"mount,omitempty"`
	Error string         `json:"error,omitempty"`
	Hint  string         `json:"hint,omitempty"`
	Code  int            `json:"code,omitempty"`
}

// redirect sends what a daemon prints from now on to its log. Until then the
// terminal of its parent has it: fusermount3 says there why it failed. The
// cache is locked by now, so that nobody else writes to the log.
func (h *herald) redirect() error {
	if h.pipe == nil {
		return nil
	}
	f, err := openLog(h.logDir)
	if err != nil {
		return err
	}
	defer f.Close()
	for fd := 1; fd <= 2; fd++ {
		if err := unix.Dup3(int(f.Fd()), fd, 0); err != nil {
			return fmt.Errorf("log: %w", err)
		}
	}
	return nil
}

// mounted says that the mount answers.
func (h *herald) mounted(info ctl.MountInfo) {
	if h.pipe == nil {
		h.p.printMounted(info)
		notifySystemd("READY=1")
		return
	}
	// So that the daemon keeps no file system busy. All paths are absolute.
	_ = os.Chdir("/")
	h.tell(message{Mount: &info})
}

// failed hands the error of a daemon that did not come up to its parent, who
// prints it. Every other error it returns as it is.
func (h *herald) failed(err error) error {
	if err == nil || h.pipe == nil {
		return err
	}
	text, hint := errorText(err)
	h.tell(message{Error: text, Hint: hint, Code: exitCode(err)})
	return &failure{code: exitCode(err)}
}

func (h *herald) tell(m message) {
	_ = json.NewEncoder(h.pipe).Encode(m) // fails when the parent is gone: nobody to tell
	h.pipe.Close()
	h.pipe = nil
}

// printMounted says that a mount answers, on stderr, and what to write into
// local.conf, on stdout; with --json its record instead.
func (p *program) printMounted(info ctl.MountInfo) {
	if p.json {
		_ = p.printJSON(info) // a closed stdout is no reason to unmount
		return
	}
	fmt.Fprintf(p.stderr, "sstatefs: %s is mounted at %s (pid %d)\n", info.Remote, info.Mountpoint, info.PID)
	fmt.Fprintf(p.stdout, "SSTATE_DIR = %q\n", info.Mountpoint)
}

// notifySystemd tells the service manager the state of this process, if one
// asked for it: sd_notify(3).
func notifySystemd(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:] // the abstract namespace
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return // a manager that does not listen is none
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}
