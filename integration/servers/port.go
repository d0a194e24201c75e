package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Ports below those that the kernel gives to outgoing connections (from 32768
// by default): one that was free stays so unless a server takes it, also while
// a server is stopped to be restarted.
const (
	firstPort = 20000
	ports     = 12000
)

// Listen listens on a free port of the loopback interface, which stays free
// when the listener is closed to be opened again.
func Listen() (net.Listener, error) {
	for range 100 {
		port := firstPort + rand.IntN(ports)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return l, nil
		}
	}
	return nil, errors.New("servers: no port is free")
}

func freePort() (int, error) {
	l, err := Listen()
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// listens tells whether a process listens on a port of 127.0.0.1. Without it a
// test could take another test's server for its own.
func listens(pid, port int) bool {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode;
	// the address is little-endian, state 0A is LISTEN.
	local := fmt.Sprintf("0100007F:%04X", port)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && f[1] == local && f[3] == "0A" {
			return holds(pid, "socket:["+f[9]+"]")
		}
	}
	return false
}

// holds tells whether a process has a file open.
func holds(pid int, target string) bool {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, name := range names {
		if link, err := os.Readlink(name); err == nil && link == target {
			return true
		}
	}
	return false
}
