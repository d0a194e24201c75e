package remote

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// ErrPasswordInAddress is what every function that takes an address says of
// one with a password: it would be seen in the list of processes.
var ErrPasswordInAddress = errors.New("the address holds a password, which everybody can see")

// Clean gives the canonical form of an address: equal for two ways to write
// the same remote, without credentials, fit to name a cache. A directory
// becomes file:///abs/dir. Of a query only the endpoint stays, because the
// same bucket at another endpoint is another bucket; region, profile and the
// like say how it is reached.
func Clean(address string) (string, error) {
	u, err := parseAddress(address)
	if err != nil {
		return "", err
	}
	return withoutSecrets(u), nil
}

// Directory takes a directory's address apart: its absolute path and the
// query of its URL. A plain path has no query, a question mark in it is part
// of a name.
func Directory(address string) (string, url.Values, error) {
	u, err := parseAddress(address)
	if err != nil {
		return "", nil, err
	}
	if u.Scheme != "file" {
		return "", nil, fmt.Errorf("remote %q: not a directory", withoutSecrets(u))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", nil, fmt.Errorf("remote %q: bad query", withoutSecrets(u))
	}
	return u.Path, query, nil
}

// parseAddress makes a URL of an address, a file URL of a directory. The path
// of a file URL is absolute and clean.
func parseAddress(address string) (*url.URL, error) {
	if address == "" {
		return nil, errors.New("remote address is empty: give a directory or a URL")
	}
	scheme, rest, colon := strings.Cut(address, ":")
	switch {
	case !colon || strings.ContainsAny(scheme, "/"):
		return directoryURL(address)
	case strings.HasPrefix(rest, "//") || strings.EqualFold(scheme, "file"):
		return parseURL(scheme, address)
	}
	// user:secret@host:/path of scp must not be echoed either.
	return nil, errors.New("remote address is neither a URL nor a directory" +
		" (a directory with a colon in its name is written ./like:this)")
}

func directoryURL(dir string) (*url.URL, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("remote %q: %w", dir, err)
	}
	return &url.URL{Scheme: "file", Path: abs}, nil
}

// parseURL checks a URL. The errors of net/url hold the whole text, password
// included, and are therefore dropped.
func parseURL(scheme, address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("remote address with scheme %q is not a valid URL", scheme)
	}
	if holdsPassword(u) {
		return nil, fmt.Errorf("remote %q: %w", withoutSecrets(u), ErrPasswordInAddress)
	}
	if u.Fragment != "" {
		return nil, fmt.Errorf("remote %q: the address has a fragment (a # in a path is written %%23)", withoutSecrets(u))
	}
	if u.Scheme != "file" {
		if u.Host == "" {
			return nil, fmt.Errorf("remote %q: the address names no host and no bucket", withoutSecrets(u))
		}
		return u, nil
	}
	if u.Host != "" && u.Host != "localhost" {
		return nil, fmt.Errorf("remote %q: a file URL cannot name a host; mount it and give the directory",
			withoutSecrets(u))
	}
	if !strings.HasPrefix(u.Path, "/") {
		return nil, fmt.Errorf("remote %q: a file URL needs an absolute path", withoutSecrets(u))
	}
	return &url.URL{Scheme: "file", Path: filepath.Clean(u.Path), RawQuery: u.RawQuery}, nil
}

// holdsPassword tells of a password before the host, or before that of the
// endpoint.
func holdsPassword(u *url.URL) bool {
	if _, has := u.User.Password(); has {
		return true
	}
	endpoint := u.Query().Get("endpoint")
	at := strings.LastIndexByte(endpoint, '@')
	return u.Scheme != "file" && at >= 0 && strings.Contains(strings.TrimPrefix(afterScheme(endpoint[:at]), "//"), ":")
}

// afterScheme cuts "https:" off.
func afterScheme(address string) string {
	if i := strings.Index(address, "://"); i >= 0 {
		return address[i+1:]
	}
	return address
}

// withoutSecrets is the canonical text of u: no user, no password, no query
// but the endpoint.
func withoutSecrets(u *url.URL) string {
	clean := url.URL{Scheme: u.Scheme, Host: canonicalHost(u)}
	if u.Path != "" {
		clean.Path, clean.RawPath = canonicalPath(u)
	}
	if clean.Path == "/" && u.Scheme != "file" {
		clean.Path, clean.RawPath = "", ""
	}
	if endpoint := u.Query().Get("endpoint"); endpoint != "" && u.Scheme != "file" {
		// : and / may stand in a query as they are (RFC 3986, 3.4).
		readable := strings.NewReplacer("%3A", ":", "%2F", "/")
		clean.RawQuery = "endpoint=" + readable.Replace(url.QueryEscape(cleanEndpoint(endpoint)))
	}
	return clean.String()
}

// canonicalPath is the clean path of u and, where that differs from the usual
// way to escape it, its escaped form. An escaped slash separates nothing in a
// path of HTTP (RFC 3986, section 2.2), and is a slash like others in a key of
// S3.
func canonicalPath(u *url.URL) (plain, escaped string) {
	plain = path.Clean("/" + u.Path)
	if u.Scheme != "http" && u.Scheme != "https" || !strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return plain, ""
	}
	parts := strings.Split(u.EscapedPath(), "/")
	for i, part := range parts {
		if name, err := url.PathUnescape(part); err == nil {
			parts[i] = strings.ReplaceAll((&url.URL{Path: "/" + name}).EscapedPath()[1:], "/", "%2F")
		}
	}
	escaped = path.Clean("/" + strings.Join(parts, "/"))
	if p, err := url.PathUnescape(escaped); err == nil {
		plain = p
	}
	return plain, escaped
}

func cleanEndpoint(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return endpoint[strings.LastIndexByte(endpoint, '@')+1:]
	}
	return withoutSecrets(u)
}

// canonicalHost is the host in lower case without the port that its scheme
// means anyway. The host of an S3 address is a bucket, where case counts.
func canonicalHost(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return u.Host
}
