package upkeep_test

import (
	"errors"
	"slices"
	"testing"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

// TestRemove is one table of what names mean.
func TestRemove(t *testing.T) {
	base := func(k remote.Key) string { _, b := k.Split(); return b }
	native := "universal/" + key("nat", hashC, pkg)
	has := []remote.Key{
		key("a", hashA, pkg), key("a", hashA, pkgInf), key("a", hashA, pkgSig),
		key("b", hashA, pkg), key("b", hashA, pkgInf), key("ab", hashB, pkgInf),
		native, native + ".siginfo", "ab/cd/notes", "hashserv.db", key("a", hashA, pkg+".lock"), "00/ff/" + remote.Key(base(key("a", hashA, pkg))),
	}
	tests := []struct {
		name    string
		names   []string
		gone    []remote.Key
		unknown []string
		lists   bool // it needs a listing
	}{
		{"an archive takes its companions along", []string{base(has[0])}, has[0:3], nil, false},
		{"a path", []string{string(has[3])}, has[3:5], nil, false},
		{"a siginfo goes alone", []string{string(has[1])}, has[1:2], nil, false},
		{"a sig goes alone", []string{base(has[2])}, has[2:3], nil, false},
		{"both companions", []string{base(has[2]), string(has[1])}, has[1:3], nil, false},
		{"below an extra path", []string{base(native)}, has[6:8], nil, true},
		{"a path is exact", []string{"00/ff/" + base(native)}, nil, []string{"00/ff/" + base(native)}, false},
		{"a pattern", []string{"sstate:a:*"}, has[0:3], nil, true},
		{"a pattern of archives", []string{"sstate:*:*.tar.zst"}, slices.Concat(has[0:5], has[6:8]), nil, true},
		{"a pattern of siginfo", []string{"sstate:a*.siginfo"}, []remote.Key{has[1], has[5]}, nil, true},
		{"all", []string{"*"}, has[0:8], nil, true},
		{"what is no object", []string{"notes", "ab/cd/notes", "hashserv.db", string(has[10]), string(has[11]), "no*such", "../x", ""}, nil,
			[]string{"notes", "ab/cd/notes", "hashserv.db", string(has[10]), string(has[11]), "no*such", "../x", ""}, true},
		{"some are there", []string{base(has[5]), base(key("no", hashA, pkg))}, has[5:6], []string{base(key("no", hashA, pkg))}, false},
		{"twice the same", []string{base(has[0]), string(has[0]), "sstate:a:*"}, has[0:3], nil, true},
	}
	for _, test := range tests {
		for _, way := range []string{"lists", "asks"} {
			if way == "asks" && test.lists {
				continue
			}
			t.Run(test.name+"/"+way, func(t *testing.T) {
				b := newBucket(t)
				for _, k := range has {
					b.age(k, 0, 10)
				}
				b.SetTraits(remote.Traits{NoList: way == "asks"})
				for _, dry := range []bool{true, false} {
					r, err := upkeep.Remove(t.Context(), b.target, upkeep.RemoveOptions{Names: test.names, DryRun: dry}, upkeep.Silent)
					if err != nil || r.Removed.Total.Objects != int64(len(test.gone)) || !slices.Equal(r.Unknown, test.unknown) && len(test.unknown) > 0 {
						t.Errorf("Remove = %+v, %v, want %d removed, unknown %q", r, err, len(test.gone), test.unknown)
					}
					if dry {
						b.wantKeys(slices.Clone(has)...)
					}
				}
				b.wantKeys(slices.DeleteFunc(slices.Clone(has), func(k remote.Key) bool { return slices.Contains(test.gone, k) })...)
			})
		}
	}
}

func TestRemoveRefuses(t *testing.T) {
	var bad upkeep.BadOptions
	for _, names := range [][]string{nil, {"sstate:["}, {"ab/cd/sstate:*"}} {
		b := newBucket(t)
		if _, err := upkeep.Remove(t.Context(), b.target, upkeep.RemoveOptions{Names: names}, upkeep.Silent); !errors.As(err, &bad) {
			t.Errorf("Remove(%q) = %v, want BadOptions", names, err)
		}
	}
	b := newBucket(t)
	b.SetTraits(remote.Traits{NoList: true})
	if _, err := upkeep.Remove(t.Context(), b.target, upkeep.RemoveOptions{Names: []string{"sstate:*"}}, upkeep.Silent); !errors.Is(err, remote.ErrUnsupported) {
		t.Errorf("Remove of a pattern without a listing = %v", err)
	}
}
