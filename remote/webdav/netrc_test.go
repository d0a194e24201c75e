package webdav

import "testing"

func TestNetrc(t *testing.T) {
	const text = `# a comment with machine other.example login no password no
machine other.example login other password wrong
machine host.example
	login jane account x
	password "with \"quotes\" and space"
machine HOST.example login joe password joes # and the rest
macdef init
machine host.example login macro password macro

machine bare.example password only
default login anonymous password guest`
	tests := []struct {
		host, user  string
		login, pass string
		ok          bool
	}{
		{"host.example", "", "jane", `with "quotes" and space`, true},
		{"Host.Example", "joe", "joe", "joes", true},
		{"host.example", "macro", "", "", false},
		{"bare.example", "me", "me", "only", true},
		{"bare.example", "", "", "only", true},
		{"unknown.example", "", "anonymous", "guest", true},
		{"unknown.example", "jane", "", "", false},
	}
	for _, test := range tests {
		login, pass, ok := netrcPassword(text, test.host, test.user)
		if login != test.login || pass != test.pass || ok != test.ok {
			t.Errorf("netrcPassword(%q, %q) = %q, %q, %t, want %q, %q, %t",
				test.host, test.user, login, pass, ok, test.login, test.pass, test.ok)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	for _, seed := range []string{"machine h login u password p", "default login", "machine", `machine h password "a\`, "macdef x\n\nmachine h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, word := range netrcWords(text) {
			if word == "machine" {
				return
			}
		}
		if login, password, ok := netrcPassword(text, "h", ""); ok && login+password != "" {
			for _, e := range netrcEntries(text) {
				if e.machine == "" {
					return // a default
				}
			}
			t.Errorf("found %q, %q without a machine", login, password)
		}
	})
}
