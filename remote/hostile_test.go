package remote_test

import (
	"strings"
	"testing"

	"sstatefs/remote"
)

// FuzzAddress gives any address with a password in it: it is refused or the
// password cut off, and neither the error nor the name of the remote tells it.
func FuzzAddress(f *testing.F) {
	const secret = "k4n4ry"
	for _, address := range []string{
		"https://user:%s@host/path", "s3://b?endpoint=http://u:%s@h:9000", "https://u:%s@[::1/x", "user:%s@host:/dir", "http://u:%s@h/%%zz",
		"s3://u:%s@bucket", "file://u:%s@/x", "s3://b?endpoint=u:%s@h", "HTTPS://u:%s@h#x", "s3://b?endpoint=//u:%s@h",
	} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		before, after, ok := strings.Cut(pattern, ":%s@")
		if !ok || len(pattern) > 4<<10 || !beginsHost(before) {
			return
		}
		address := before + ":" + secret + "@" + after
		clean, err := remote.Clean(address)
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error of %q tells the password: %v", address, err)
		}
		if strings.Contains(clean, secret) {
			t.Errorf("%q is called %q", address, clean)
		}
	})
}

// beginsHost tells whether what follows is the host of a URL, its endpoint, or of
// an address of scp: where a password can stand.
func beginsHost(before string) bool {
	scheme, rest, isURL := strings.Cut(before, "://")
	if !isURL {
		return before != "" && !strings.ContainsAny(before, "/:") && !strings.EqualFold(before, "file")
	}
	if strings.ContainsAny(scheme, "/:") || strings.EqualFold(scheme, "file") {
		return false // a path
	}
	return !strings.ContainsAny(rest, "/?#")
}
