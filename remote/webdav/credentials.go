package webdav

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sstatefs/remote"
)

// credentials let a user in. Without a user nobody is asked for.
type credentials struct {
	user, password string

	// source says where the password is from, or where it could be.
	source string
}

// noPassword tells a user what to set.
const noPassword = "set the user in the URL (https://user@host/path) or SSTATEFS_USER," +
	" the password with --password-file, SSTATEFS_PASSWORD or ~/.netrc"

// says is what was tried, for people.
func (c *credentials) says() string {
	if c.password == "" {
		return fmt.Sprintf("user %q has no password here: give --password-file, SSTATEFS_PASSWORD or a line in ~/.netrc", c.user)
	}
	return fmt.Sprintf("user %q, password of %s", c.user, c.source)
}

// findCredentials looks for the user in the address, the environment and
// netrc, and for the password in its file, the environment and netrc.
func findCredentials(user, host string, access remote.Access) (credentials, error) {
	getenv := access.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	if user == "" {
		user = getenv("SSTATEFS_USER")
	}
	c := credentials{user: user, source: noPassword}
	switch {
	case access.PasswordFile != "":
		password, err := readPassword(access.PasswordFile)
		if err != nil {
			return c, err
		}
		c.password, c.source = password, "file "+access.PasswordFile
	case getenv("SSTATEFS_PASSWORD") != "":
		c.password, c.source = getenv("SSTATEFS_PASSWORD"), "SSTATEFS_PASSWORD"
	default:
		c.fromNetrc(host, getenv)
	}
	if c.user == "" && c.password != "" {
		return c, fmt.Errorf("webdav: a password of %s and no user: give the user in the address"+
			" (https://user@host/path) or SSTATEFS_USER", c.source)
	}
	return c, nil
}

// readPassword gives the first line of a file.
func readPassword(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("webdav: password file: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("webdav: password file %s: its first line is empty", file)
	}
	return line, nil
}

// fromNetrc completes c from $NETRC or ~/.netrc. A file that cannot be read is
// like one that is not there.
func (c *credentials) fromNetrc(host string, getenv func(string) string) {
	file := getenv("NETRC")
	if file == "" && getenv("HOME") != "" {
		file = filepath.Join(getenv("HOME"), ".netrc")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	login, password, ok := netrcPassword(string(text), host, c.user)
	if ok && login != "" {
		c.user, c.password, c.source = login, password, file
	}
}
