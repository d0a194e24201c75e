package siginfo

import (
	"slices"
	"testing"
)

func TestParseDep(t *testing.T) {
	for key, want := range map[string]Dep{
		"zlib:do_package":                                 {PN: "zlib", Task: "package"},
		"libsigc++-2.0:do_populate_sysroot":               {PN: "libsigc++-2.0", Task: "populate_sysroot"},
		"mc:musl:zlib-native:do_compile":                  {MC: "musl", PN: "zlib-native", Task: "compile"},
		"/l/r/zlib_1.3.bb:do_package":                     {PN: "zlib", Task: "package"},
		"/l/r/git.bb:do_package":                          {PN: "git", Task: "package"},
		"/l/with:colon/zlib_1.3.bb:do_package":            {PN: "zlib", Task: "package"},
		"virtual:native:/l/r/zlib_1.3.bb:do_package":      {PN: "zlib-native", Task: "package"},
		"virtual:nativesdk:/l/r/zlib_1.3.bb:do_x":         {PN: "nativesdk-zlib", Task: "x"},
		"virtual:multilib:lib32:/l/r/zlib_1.3.bb:do_x":    {PN: "lib32-zlib", Task: "x"},
		"mc:musl:/l/r/zlib_1.3.bb:do_package":             {MC: "musl", PN: "zlib", Task: "package"},
		"mc:musl:virtual:native:/l/r/zlib_1.3.bb:do_y":    {MC: "musl", PN: "zlib-native", Task: "y"},
		"mc:musl:virtual:multilib:lib32:/r/zlib.bb:do_yz": {MC: "musl", PN: "lib32-zlib", Task: "yz"},
	} {
		if got, ok := ParseDep(key); !ok || got != want {
			t.Errorf("ParseDep(%q) = %+v, %v, want %+v", key, got, ok, want)
		}
	}
	for _, key := range []string{"", "zlib", ":do_x", "zlib:", "zlib:do_", "mc:musl", "mc:musl:zlib", "/:do_x"} {
		if got, ok := ParseDep(key); ok {
			t.Errorf("ParseDep(%q) = %+v, want none", key, got)
		}
	}
}

func TestStoredAs(t *testing.T) {
	for pn, want := range map[string][]string{
		"gcc":             {"gcc"},
		"gcc-source-13.2": {"gcc-source-13.2", "gcc"},
	} {
		if got := (Dep{PN: pn}).StoredAs(); !slices.Equal(got, want) {
			t.Errorf("StoredAs() of %s = %v, want %v", pn, got, want)
		}
	}
}
