package webdav

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"sstatefs/remote"
)

// A place is the folder of a server that holds the objects.
type place struct {
	url  *url.URL // without user and query; its path ends with a slash
	path string   // url's, decoded
}

// parseAddress takes an address apart. The user is empty if it names none.
func parseAddress(address string) (at *place, user string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, "", errors.New("webdav: the address is not of the form http(s)://[user@]host[:port]/path")
	}
	if _, has := u.User.Password(); has {
		return nil, "", fmt.Errorf("webdav: %s: %w: put it into a file (--password-file), SSTATEFS_PASSWORD or ~/.netrc",
			u.Host, remote.ErrPasswordInAddress)
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, "", fmt.Errorf("webdav: the address of %s has a query or a fragment"+
			" (in a path, ? is written %%3F and # %%23)", u.Host)
	}
	return newPlace(u), u.User.Username(), nil
}

func newPlace(u *url.URL) *place { return placeAt(u, u.EscapedPath()) }

// placeAt is the place with an escaped path on the server of u. The escapes
// stay as they are: %2F is no slash.
func placeAt(u *url.URL, escaped string) *place {
	escaped = path.Clean("/" + escaped)
	if escaped != "/" {
		escaped += "/"
	}
	clean := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: escaped, RawPath: escaped}
	if p, err := url.PathUnescape(escaped); err == nil {
		clean.Path = p
	}
	return &place{url: clean, path: clean.Path}
}

func (p *place) String() string { return strings.TrimSuffix(p.url.String(), "/") }

// at is the URL of a key, or of a folder when that ends with a slash.
func (p *place) at(key string) *url.URL {
	u := *p.url
	u.RawPath = u.EscapedPath() + escape(key)
	u.Path += key
	return &u
}

// escape writes everything but letters, digits and -_.~$&+=:@ as an escape.
func escape(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// folderPath is what stands for a folder in a URL: nginx makes, lists and
// deletes folders only by names that end with a slash.
func folderPath(folder string) string {
	if folder == "" {
		return ""
	}
	return folder + "/"
}

// trusts tells whether a server at u may see what we send to p: it is the same
// host, and no less protected.
func (p *place) trusts(u *url.URL) bool {
	return strings.EqualFold(p.url.Hostname(), u.Hostname()) && (p.url.Scheme == u.Scheme || u.Scheme == "https")
}

// isHidden tells that a path has a folder or name that holds no objects of
// this remote.
func isHidden(path string) bool { return strings.HasPrefix(path, ".") || strings.Contains(path, "/.") }
