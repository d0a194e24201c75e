package ctl

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/file"
)

// ask sends a request as no command would.
func (m *testMount) ask(t *testing.T, method, verb, query, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(testContext(t), method, "http://mount/v1/remote/"+verb+"?"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := m.client.http.Do(r)
	if err != nil {
		t.Fatalf("%s?%s: %v", verb, query, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		t.Fatalf("%s?%s: %v", verb, query, err)
	}
	return string(text)
}

// TestRemoteRefusesBadQuestions: whatever is asked, nothing outside of the remote
// is read or changed, and every answer is an error.
func TestRemoteRefusesBadQuestions(t *testing.T) {
	top := t.TempDir()
	root, outside := filepath.Join(top, "root"), filepath.Join(top, "outside")
	if err := os.MkdirAll(filepath.Join(root, "ab"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "ab", "other"), nil, 0o644); err != nil { // or the empty folder may go
		t.Fatal(err)
	}
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := file.Open(testContext(t), root, remote.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := serveRemote(t, r)
	refused := func(method, verb, query, body string) {
		t.Helper()
		if got := m.ask(t, method, verb, query, body); !strings.Contains(got, `"error":`) || strings.Contains(got, "secret") {
			t.Errorf("%s %s?%.80s of %.80q gives %.200q, want an error", method, verb, query, body, got)
		}
	}
	for _, key := range []string{"../outside", "ab/../../outside", "/etc/passwd", outside, "", ".", "ab/", "ab//x", "ab/\x00"} {
		q := "key=" + url.QueryEscape(key)
		refused("GET", verbStat, q, "")
		refused("GET", verbGet, q+"&offset=0", "")
		refused("POST", verbTouch, q+"&time=-", "")
		refused("POST", verbPut, q+"&size=1&time=-", "x")
		refused("POST", verbPut, q+"&size=1&time=-&create=1", "x")
		refused("POST", verbDelete, "", url.PathEscape(key)+"\n")
	}
	for _, prefix := range []string{"..", "ab/../..", "/etc", "ab/", "ab//x"} {
		for _, verb := range []string{verbList, verbFolders, verbNames} {
			refused("GET", verb, "prefix="+url.QueryEscape(prefix), "")
		}
	}
	for _, size := range []string{"-1", "0", "2", "-9223372036854775808", "9223372036854775807", "one", ""} {
		refused("POST", verbPut, "key=ab/x&time=-&size="+size, "x")
	}
	for _, query := range []string{"key=ab/x&offset=-1", "key=ab/x&offset=x", "key=ab/x"} {
		refused("GET", verbGet, query, "")
	}
	refused("POST", verbTouch, "key=ab/x&time=now", "")
	refused("POST", verbDelete, "", "%zz\n")

	if left, err := os.ReadDir(filepath.Join(root, "ab")); err != nil || len(left) != 1 {
		t.Errorf("the remote holds %v, %v, want what it held", left, err)
	}
	if text, err := os.ReadFile(outside); string(text) != "secret" || err != nil {
		t.Errorf("what is outside is %q, %v", text, err)
	}
}
