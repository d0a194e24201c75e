package webdav

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

const (
	testUser     = "builder"
	testPassword = "s3cret: word"
)

// env is an environment of a few variables.
func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// protected starts an Apache that asks for a password.
func protected(t *testing.T, scheme string) *servers.Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "sstatefs") // not t.TempDir, whose parent is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	sum := md5.Sum([]byte(testUser + ":sstate:" + testPassword))
	digest := testUser + ":sstate:" + hex.EncodeToString(sum[:]) + "\n"
	basic := testUser + ":{SHA}B0u8uOdEKA3Hi3hY5Gsz/RkIlLU=\n" // of testPassword
	users := filepath.Join(dir, "users")
	for _, err := range []error{os.Chmod(dir, 0o755),
		os.WriteFile(users, []byte(map[string]string{"Digest": digest, "Basic": basic}[scheme]), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return servers.Start(t, servers.Apache, servers.Flags("AuthType "+scheme, `AuthName "sstate"`,
		"Auth"+scheme+"Provider file", "AuthUserFile "+users, "Require valid-user"))
}

// withUser puts the user into an address.
func withUser(address string) string {
	return strings.Replace(address, "://", "://"+testUser+"@", 1)
}

// TestLogin: both schemes, all places for a password, many requests at once.
func TestLogin(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"Basic", "Digest"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			srv := protected(t, scheme)
			host := strings.TrimPrefix(srv.URL, "http://")
			host, _, _ = strings.Cut(host, ":")
			d := mustOpen(t, withUser(srv.Address), remote.OpenOptions{Access: remote.Access{
				PasswordFile: writeFile(t, "password", testPassword+"\nnot this\n"), Getenv: noHome}})
			var group errgroup.Group
			for n := range 40 {
				group.Go(func() error {
					content := remotetest.Pattern(1000+n*100_000, byte(n))
					if err := d.Put(t.Context(), remotetest.Key(n), remotetest.Bytes(content), remote.PutOptions{Create: true}); err != nil {
						return err
					}
					got, err := read(t, d, remotetest.Key(n))
					if err == nil && string(got) != string(content) {
						err = fmt.Errorf("%d bytes of %d", len(got), len(content))
					}
					return err
				})
			}
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
			for name, access := range map[string]remote.Access{
				"environment": {Getenv: env(map[string]string{"SSTATEFS_USER": testUser, "SSTATEFS_PASSWORD": testPassword})},
				"netrc": {Getenv: env(map[string]string{
					"NETRC": writeFile(t, "netrc", fmt.Sprintf("machine %s login %s password %q\n", host, testUser, testPassword))})},
			} {
				r := mustOpen(t, srv.Address, remote.OpenOptions{Known: true, Learned: d.Learned(), Access: access})
				if _, err := r.Stat(t.Context(), remotetest.Key(1)); err != nil {
					t.Errorf("password from %s: Stat = %v", name, err)
				}
			}
			testWrongPasswords(t, srv.Address)
		})
	}
}

func testWrongPasswords(t *testing.T, address string) {
	for words, vars := range map[string]map[string]string{
		"set the user in the URL":                           nil,
		`user "builder", password of SSTATEFS_PASSWORD`:     {"SSTATEFS_USER": testUser, "SSTATEFS_PASSWORD": "wr0ng"},
		"a password of SSTATEFS_PASSWORD and no user: give": {"SSTATEFS_PASSWORD": "wr0ng"},
	} {
		_, err := Open(t.Context(), address, remote.OpenOptions{Access: remote.Access{Getenv: env(vars)}})
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("Open = %v, want %q and no password", err, words)
		}
		if len(vars) != 1 && !errors.Is(err, remote.ErrPermission) {
			t.Errorf("Open = %v, want %v", err, remote.ErrPermission)
		}
	}
	for _, file := range []string{"/no/such/file", writeFile(t, "empty", "\n")} {
		_, err := Open(t.Context(), withUser(address), remote.OpenOptions{Access: remote.Access{PasswordFile: file, Getenv: noHome}})
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("Open = %v, want an error with %q", err, file)
		}
	}
}

func TestPickChallenge(t *testing.T) {
	for _, test := range []struct {
		headers []string
		want    string
	}{
		{nil, ""},
		{[]string{"Negotiate", "NTLM"}, ""},
		{[]string{`Basic realm="a, b"`}, `Basic realm="a, b"`},
		{[]string{`Basic realm="x"`, `Digest realm="x", nonce="a=="`}, `Digest realm="x", nonce="a=="`},
		{[]string{`Negotiate, Basic realm="x", Digest realm="y", qop="auth"`}, `Digest realm="y", qop="auth"`},
		{[]string{`Digest realm="x", algorithm=SHA-256, nonce="1"`, `digest realm="x", nonce="2"`}, `digest realm="x", nonce="2"`},
		{[]string{`Passport1.4 x=y`, `BASIC realm="x"`}, `BASIC realm="x"`},
	} {
		if got := pickChallenge(test.headers); got != test.want {
			t.Errorf("pickChallenge(%q) = %q, want %q", test.headers, got, test.want)
		}
	}
}

// TestForgottenNonce: a server that was started again knows no old nonce, and
// not all say so.
func TestForgottenNonce(t *testing.T) {
	for name, stale := range map[string]string{"said": ", stale=true", "not said": ""} {
		var mu sync.Mutex
		nonce := "first"
		_, address := started(t, map[string]http.HandlerFunc{"PROPFIND /base/": func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(r.Header.Get("Authorization"), `nonce="`+nonce+`"`) {
				folderAnswer("/base/")(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="x", nonce="%s", qop="auth"%s`, nonce, stale))
			w.WriteHeader(http.StatusUnauthorized)
		}})
		d := mustOpen(t, withUser(address), remote.OpenOptions{ReadOnly: true,
			Access: remote.Access{Getenv: env(map[string]string{"SSTATEFS_PASSWORD": "x"})}})
		mu.Lock()
		nonce = "second"
		mu.Unlock()
		if err := d.Probe(t.Context()); err != nil {
			t.Errorf("stale is %s: Probe = %v", name, err)
		}
	}
}
