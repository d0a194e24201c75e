package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sstatefs/integration/servers"
)

// The user that lockedDoor lets in.
const (
	doorUser     = "ci"
	doorPassword = "geheim"
)

// The scripts of testdata/network have real servers: $S3 and $DAV are fresh
// roots, whose files are in $S3DIR and $DAVDIR, $MIRROR is a plain web server over the folder mirror, and $DOOR is
// what $DAV is over TLS for user ci, whose authority is in ca.pem; $PLAINDOOR
// asks it without TLS.
func TestNetworkScripts(t *testing.T) {
	store := servers.Start(t, servers.Versitygw)
	dav := servers.Start(t, servers.Apache)
	door := lockedDoor(t, dav.URL)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/network",
		Setup: func(env *testscript.Env) error {
			if err := setup(env); err != nil {
				return err
			}
			return setupNetwork(t, env, store, dav, door)
		},
		Cmds:                commands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func setupNetwork(t *testing.T, env *testscript.Env, store, dav *servers.Server, door *httptest.Server) error {
	name := filepath.Base(env.WorkDir)
	folder := dav.Sub(t, name)
	mirror := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(env.WorkDir, "mirror"))))
	env.Defer(mirror.Close)
	bucket := store.Sub(t, name)
	env.Setenv("S3", bucket.Address)
	env.Setenv("S3DIR", bucket.Data)
	env.Setenv("S3URL", store.URL)
	env.Setenv("DAV", folder.Address)
	env.Setenv("DAVDIR", folder.Data)
	env.Setenv("MIRROR", mirror.URL)
	env.Setenv("DOOR", strings.Replace(folder.Address, dav.URL, door.URL, 1))
	env.Setenv("DOORUSER", strings.Replace(env.Getenv("DOOR"), "https://", "https://"+doorUser+"@", 1))
	env.Setenv("PLAINDOOR", strings.Replace(env.Getenv("DOOR"), "https://", "http://", 1))
	for _, pair := range store.Env {
		variable, value, _ := strings.Cut(pair, "=")
		env.Setenv(variable, value)
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: door.Certificate().Raw})
	return os.WriteFile(filepath.Join(env.WorkDir, "ca.pem"), authority, 0o600)
}

// lockedDoor is a proxy of a WebDAV server with TLS and a password.
func lockedDoor(t *testing.T, inside string) *httptest.Server {
	t.Helper()
	target, err := url.Parse(inside)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		if to, err := url.Parse(r.In.Header.Get("Destination")); err == nil && to.Host != "" {
			to.Scheme, to.Host = target.Scheme, target.Host
			r.Out.Header.Set("Destination", to.String())
		}
	}}
	door := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != doorUser || password != doorPassword {
			w.Header().Set("WWW-Authenticate", `Basic realm="cache"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(door.Close)
	return door
}
