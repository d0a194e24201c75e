package upkeep_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

func showOf(t *testing.T, target *upkeep.Target, f upkeep.Filter) upkeep.ShowResult {
	t.Helper()
	r, err := upkeep.Show(t.Context(), target, f, upkeep.Silent)
	if err != nil {
		t.Fatalf("Show() = %v", err)
	}
	return r
}

func TestShow(t *testing.T) {
	a := sample()
	r := showOf(t, a.target(), upkeep.Filter{PN: []string{"zlib"}})
	var got []string
	for _, one := range r.Artefacts {
		got = append(got, fmt.Sprintf("%s %s %s %s %d %.0f", one.Task, one.Arch, one.Version, strings.Join(one.Parts, "+"), one.Size, one.AgeSeconds/3600))
	}
	want := []string{
		"package core2-64 1.3-r0 archive+sig+siginfo 1011 2",
		"package core2-64 1.3-r0 archive 2000 960",
		"populate_sysroot core2-64 1.3-r0 archive 500 9600",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Show() = %q, want %q", got, want)
	}
	if r.Artefacts[0].Key != string(artefact("zlib", "package", 1)) || r.Total.Objects != 5 || r.Clock != "remote" {
		t.Errorf("Show() = %+v", r)
	}
	r = showOf(t, a.target(), upkeep.Filter{PN: []string{"*"}, Task: []string{"populate_*"}})
	if len(r.Artefacts) != 3 || r.Artefacts[1].ExtraPath != "universal" {
		t.Errorf("Show() of a pattern = %+v, want 3", r.Artefacts)
	}
}

// What is left of an artefact is shown as well, and recipes that share a hash
// are kept apart.
func TestShowKeepsRecipesApart(t *testing.T) {
	a := newAging()
	one := artefact("zlib", "package", 1)
	other := remote.Key(strings.Replace(string(one), "sstate:zlib:", "sstate:lib32-zlib:", 1))
	a.set(one+".siginfo", 10, time.Hour)
	a.set(other, 20, time.Hour)
	r := showOf(t, a.target(), upkeep.Filter{PN: []string{"zlib"}})
	if len(r.Artefacts) != 1 || !slices.Equal(r.Artefacts[0].Parts, []string{"siginfo"}) || r.Total.Bytes != 10 {
		t.Errorf("Show() = %+v, want the siginfo of zlib alone", r)
	}
}

func TestShowNamesSimilarRecipes(t *testing.T) {
	a := newAging()
	for i, pn := range []string{"zlib", "zlib-native", "bash", "base-files", "gtk+3", "libsigc++-2.0", "m4"} {
		a.set(artefact(pn, "package", i), 10, time.Hour)
	}
	for typed, want := range map[string][]string{
		"zlip": {"zlib"}, "ZLIB": {"zlib", "zlib-native"}, "zli": {"zlib", "zlib-native"}, "bsh": {"bash"},
		"gtk": {"gtk+3"}, "sigc*": {"libsigc++-2.0"}, "linux-yocto": {}, "*": nil, "m": {"m4"},
	} {
		r := showOf(t, a.target(), upkeep.Filter{PN: []string{typed}})
		if want == nil {
			if len(r.Artefacts) != 7 {
				t.Errorf("Show(%q) shows %d recipes, want 7", typed, len(r.Artefacts))
			}
			continue
		}
		if !slices.Equal(r.Similar, want) {
			t.Errorf("Show(%q): similar are %q, want %q", typed, r.Similar, want)
		}
	}
}
