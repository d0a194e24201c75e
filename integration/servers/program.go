package servers

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
)

// Programs is the folder of the servers that `make deps` builds. versitygw,
// minio and rclone are in it.
func Programs() string {
	if dir := os.Getenv("SSTATEFS_TEST_BIN"); dir != "" {
		return dir
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "sstatefs-servers")
}

// find finds the program of a server. Debian's are in /usr/sbin, which an
// ordinary user may not have in PATH.
func find(name string) (string, error) {
	for _, dir := range []string{Programs(), "/usr/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("servers: %s is neither in %s nor in /usr/sbin: run make deps", name, Programs())
}

// user is the id of the user that the server runs as.
func (s *Server) user() int {
	if os.Getuid() != 0 || !s.recipe.workers {
		return os.Getuid()
	}
	u, err := user.Lookup("www-data")
	if err != nil {
		s.t.Fatalf("servers: %v: run make deps", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		s.t.Fatal(err)
	}
	return uid
}
