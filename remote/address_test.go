package remote_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstatefs/remote"
)

func TestClean(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ address, want string }{
		{"/srv/x", "file:///srv/x"},
		{"/srv/x/", "file:///srv/x"},
		{"/srv//y/../x/.", "file:///srv/x"},
		{"file:///srv/x", "file:///srv/x"},
		{"file:///srv/x/?index=always", "file:///srv/x"},
		{"file://localhost/srv/x", "file:///srv/x"},
		{"FILE:/srv/x", "file:///srv/x"},
		{"/", "file:///"},
		{"/srv/a b%20c?d#e", "file:///srv/a%20b%2520c%3Fd%23e"},
		{"file:///srv/a%20b%2520c%3Fd%23e", "file:///srv/a%20b%2520c%3Fd%23e"},
		{"./x:y", "file://" + filepath.Join(cwd, "x:y")},
		{"x/y", "file://" + filepath.Join(cwd, "x/y")},
		{"..", "file://" + filepath.Dir(cwd)},
		{"http://Host.example:80/a/../b/", "http://host.example/b"},
		{"https://user@host:443", "https://host"},
		{"https://user@host:8443/", "https://host:8443"},
		{"http://host/a%2db/%7Ex/c%3ad+e", "http://host/a-b/~x/c:d+e"},
		{"http://host/a%20b/", "http://host/a%20b"},
		{"http://host/a%2Fb", "http://host/a%2Fb"},
		{"http://host/a%2fb/%2e/c%2d", "http://host/a%2Fb/c-"},
		{"http://host/a?x=secret", "http://host/a"},
		{"http://host:443/a", "http://host:443/a"},
		{"s3://Bucket/a%2Fb%20c", "s3://Bucket/a/b%20c"},
		{"s3://bucket/pre/fix/?region=eu&path_style=true", "s3://bucket/pre/fix"},
		{"s3://bucket?endpoint=http://u@minio:9000/&secret=x&part_size=5M&profile=p", "s3://bucket?endpoint=http://minio:9000"},
		{"s3://bucket?endpoint=secret@minio:9000", "s3://bucket?endpoint=minio:9000"},
	}
	for _, test := range tests {
		if got, err := remote.Clean(test.address); got != test.want || err != nil {
			t.Errorf("Clean(%q) = %q, %v, want %q", test.address, got, err, test.want)
		}
	}
	// Canonical is canonical.
	for _, test := range tests {
		if got, err := remote.Clean(test.want); got != test.want || err != nil {
			t.Errorf("Clean(%q) = %q, %v, want itself", test.want, got, err)
		}
	}
}

// noOpener fails if it is called.
func noOpener(t *testing.T) remote.Opener {
	return func(_ context.Context, address string, _ remote.OpenOptions) (remote.Remote, error) {
		t.Errorf("opener called with %q", address)
		return nil, nil
	}
}

func TestBadAddresses(t *testing.T) {
	openers := remote.Openers{"file": noOpener(t), "https": noOpener(t), "s3": noOpener(t)}
	tests := []struct{ address, words string }{
		{"", "empty"},
		{"ftp://user@host/x?key=secret", `unknown scheme "ftp" (known: file, https, s3)`},
		{"file://host/srv/x", "cannot name a host"},
		{"file:srv/x", "absolute"},
		{"file://", "absolute"},
		{"file:///srv/x#secret", "fragment"},
		{"http://user:sec%ret@host/", "not a valid URL"},
		{"http://user:pa ss@host:secret/", "not a valid URL"},
		{"http://[::secret/", "not a valid URL"},
		{"user:secret@host:/srv/x", "neither a URL nor a directory"},
		{"host:/srv/x", "neither a URL nor a directory"},
		{"s3://?endpoint=http://minio:9000", "names no host and no bucket"},
		{"https:///sstate", "names no host and no bucket"},
		{"s3:bucket", "neither a URL nor a directory"},
		{"https://user:secret@host/x", "holds a password"},
		{"s3://key:secret@bucket", "holds a password"},
		{"s3://bucket?endpoint=http://u:secret@minio:9000/", "holds a password"},
		{"s3://bucket?endpoint=u:secret@minio:9000", "holds a password"},
	}
	for _, test := range tests {
		_, err := openers.Open(t.Context(), test.address, remote.OpenOptions{})
		if err == nil || !strings.Contains(err.Error(), test.words) {
			t.Errorf("Open(%q) = %v, want an error with %q", test.address, err, test.words)
		} else if s := err.Error(); strings.Contains(s, "secret") || strings.Contains(s, "ret@") || strings.Contains(s, "\n") {
			t.Errorf("Open(%q) = %q, want one line without secrets", test.address, s)
		}
	}
}

func TestOpen(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var got string
	open := func(_ context.Context, address string, o remote.OpenOptions) (remote.Remote, error) {
		got = address
		if !o.Known {
			t.Errorf("options are lost")
		}
		return nil, nil
	}
	openers := remote.Openers{"file": open, "https": open}
	for address, want := range map[string]string{
		"/srv/x/":                    "file:///srv/x",
		"./x":                        "file://" + cwd + "/x",
		"file:///srv/x?index=always": "file:///srv/x?index=always",
		"HTTPS://user@host/x":        "https://user@host/x",
	} {
		if _, err := openers.Open(t.Context(), address, remote.OpenOptions{Known: true}); err != nil || got != want {
			t.Errorf("Open(%q) hands on %q, %v, want %q", address, got, err, want)
		}
	}
}

func TestDirectory(t *testing.T) {
	dir, query, err := remote.Directory("file:///srv/a%20b?index=never")
	if dir != "/srv/a b" || query.Get("index") != "never" || err != nil {
		t.Errorf("Directory = %q, %v, %v", dir, query, err)
	}
	dir, query, err = remote.Directory("/srv/x?index=never")
	if dir != "/srv/x?index=never" || len(query) != 0 || err != nil {
		t.Errorf("Directory = %q, %v, %v", dir, query, err)
	}
	if _, _, err = remote.Directory("https://host/"); err == nil {
		t.Errorf("Directory takes a URL of a server")
	}
}
