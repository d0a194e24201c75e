package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstatefs/ctl"
)

func TestCacheName(t *testing.T) {
	a, b := cacheName("file:///nfs/sstate"), cacheName("file:///srv/sstate")
	if !strings.HasPrefix(a, "nfs-sstate-") || !strings.HasPrefix(b, "srv-sstate-") {
		t.Errorf("cacheName gives %q and %q, want readable names", a, b)
	}
	// The readable parts are equal, the remotes are not.
	if cacheName("file:///a/b") == cacheName("file:///a-b") {
		t.Errorf("cacheName gives %q for two remotes", cacheName("file:///a/b"))
	}
	for _, odd := range []string{"file:///", "file:///../..", "file:///\u00e4\n:%20", "file:///" + strings.Repeat("x/", 300)} {
		name := cacheName(odd)
		if name == "" || len(name) > 60 || strings.ContainsAny(name, "/\n :%") || strings.HasPrefix(name, ".") {
			t.Errorf("cacheName(%q) = %q", odd, name)
		}
	}
}

func TestCacheDir(t *testing.T) {
	name := cacheName("file:///srv/x")
	for _, test := range []struct{ xdg, home, given, want string }{
		{"/xdg", "/home/u", "/given", "/given"},
		{"/xdg", "/home/u", "", "/xdg/sstatefs/" + name},
		{"relative", "/home/u", "", "/home/u/.cache/sstatefs/" + name},
		{"", "/home/u", "", "/home/u/.cache/sstatefs/" + name},
	} {
		t.Setenv("XDG_CACHE_HOME", test.xdg)
		t.Setenv("HOME", test.home)
		if got, err := cacheDir(ctl.Table{}, test.given, "file:///srv/x"); err != nil || got != test.want {
			t.Errorf("cacheDir(%+v) = %q, %v, want %q", test, got, err, test.want)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, test := range []struct {
		path, dir string
		want      bool
	}{
		{"/a/b", "/a", true}, {"/a", "/a", true}, {"/ab", "/a", false}, {"/a", "/a/b", false}, {"/a", "/", true},
	} {
		if got := within(test.path, test.dir); got != test.want {
			t.Errorf("within(%q, %q) = %v, want %v", test.path, test.dir, got, test.want)
		}
	}
}

func TestCheckAllowOther(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "fuse.conf")
	if err := checkAllowOther(conf); err == nil {
		t.Error("checkAllowOther() without a file = nil")
	}
	for text, want := range map[string]bool{
		"user_allow_other\n": true, "mount_max = 5\n user_allow_other \n": true,
		"#user_allow_other\n": false, "": false,
	} {
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkAllowOther(conf); (err == nil) != want {
			t.Errorf("checkAllowOther() of %q = %v, want allowed %v", text, err, want)
		}
	}
}

func TestCheckDevice(t *testing.T) {
	dir := t.TempDir()
	_, hint := errorText(checkDevice(filepath.Join(dir, "fuse")))
	if !strings.Contains(hint, "modprobe fuse") {
		t.Errorf("hint for a missing device is %q", hint)
	}
	if os.Getuid() == 0 {
		return // what follows is about permissions, which root has
	}
	closed := filepath.Join(dir, "closed")
	if err := os.WriteFile(closed, nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, hint := errorText(checkDevice(closed)); !strings.Contains(hint, "chmod 0666") {
		t.Errorf("hint for a closed device is %q", hint)
	}
}

func TestNotifySystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	notifySystemd("READY=1")
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("systemd is told %q, %v, want READY=1", buf[:n], err)
	}
}
