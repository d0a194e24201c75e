package upkeep

import (
	"slices"
	"strings"
	"testing"
)

func TestExpression(t *testing.T) {
	recipes := strings.Fields("hello hello-isar libhello sbuild-chroot-host sbuild-chroot-target zlib")
	for _, test := range []struct{ text, want string }{
		{"", "hello hello-isar libhello sbuild-chroot-host sbuild-chroot-target zlib"},
		{"hello", "hello hello-isar"},
		{"^hello$", "hello"},
		{"lib|hel", "hello hello-isar libhello"},
		{"(?!sbuild)", "hello hello-isar libhello zlib"},
		{"^(?!sbuild-(chroot|x)-[)t])", "hello hello-isar libhello sbuild-chroot-host zlib"},
		{"(?!sbuild)(?!hello)", "libhello zlib"},
		{"(?!hello$)hel", "hello-isar"},
		{"(?!zlib|libhello|sbuild)", "hello hello-isar"},
	} {
		e, err := ParseExpression(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		got := slices.DeleteFunc(slices.Clone(recipes), func(pn string) bool { return !e.Picks(pn) })
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q picks %q, want %q", test.text, got, test.want)
		}
	}
	for _, text := range []string{"(", "(?!", "(?!a", "(?!a)b|c", "a(?!b)", "(?=a)", "(?![)"} {
		if e, err := ParseExpression(text); err == nil {
			t.Errorf("%q is taken: %+v", text, e)
		}
	}
}
