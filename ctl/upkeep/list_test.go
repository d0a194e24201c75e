package upkeep_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

func listOf(t *testing.T, target *upkeep.Target, o upkeep.ListOptions) []upkeep.ListedObject {
	t.Helper()
	var all []upkeep.ListedObject
	if _, err := upkeep.List(t.Context(), target, o, upkeep.Silent, func(object upkeep.ListedObject) error {
		all = append(all, object)
		return nil
	}); err != nil {
		t.Fatalf("List() = %v", err)
	}
	return all
}

func TestListOrders(t *testing.T) {
	a := sample()
	short := func(object upkeep.ListedObject) string {
		return fmt.Sprintf("%s/%s/%d", object.PN, object.Kind, object.Size)
	}
	used := []string{"zlib/archive/500", "zlib/archive/2000", "acl/archive/5000",
		"zlib/archive/1000", "zlib/sig/1", "zlib/siginfo/10", "bash/archive/7", "m4-native/archive/100"}
	size := []string{"acl/archive/5000", "zlib/archive/2000", "zlib/archive/1000", "zlib/archive/500",
		"m4-native/archive/100", "zlib/siginfo/10", "bash/archive/7", "zlib/sig/1"}
	for _, test := range []struct {
		o    upkeep.ListOptions
		want []string
	}{
		{upkeep.ListOptions{Sort: upkeep.ListUsed}, used},
		{upkeep.ListOptions{Sort: upkeep.ListSize}, size},
		{upkeep.ListOptions{Sort: upkeep.ListSize, Reverse: true}, reversed(size)},
		{upkeep.ListOptions{Sort: upkeep.ListUsed, Limit: 3}, used[:3]},
		{upkeep.ListOptions{Sort: upkeep.ListUsed, Limit: 3, Reverse: true}, reversed(used)[:3]},
		{upkeep.ListOptions{Sort: upkeep.ListSize, Limit: 100}, size},
		{upkeep.ListOptions{Sort: upkeep.ListSize, Limit: 1, Filter: upkeep.Filter{PN: []string{"zlib"}}}, size[1:2]},
	} {
		var got []string
		for _, object := range listOf(t, a.target(), test.o) {
			got = append(got, short(object))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("List(%+v) = %q, want %q", test.o, got, test.want)
		}
	}
	var names []string
	for _, object := range listOf(t, a.target(), upkeep.ListOptions{Sort: upkeep.ListName}) {
		names = append(names, object.PN)
	}
	if want := []string{"acl", "bash", "m4-native", "zlib", "zlib", "zlib", "zlib", "zlib"}; !slices.Equal(names, want) {
		t.Errorf("by name: %q, want %q", names, want)
	}
}

func reversed(s []string) []string {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

// Every form of name comes out as it went in.
func TestListKeepsNames(t *testing.T) {
	a := newAging()
	long, short := "ab"+strings.Repeat("0", 62), "ab"+strings.Repeat("1", 30)
	want := []string{
		"ab/00/sstate:bash::5.2.21:r0::14:" + long + "_populate_lic.tar.zst.siginfo",
		"ab/11/sstate:gtk+3:a:3.0~rc1:r0:a:3:" + short + "_package.tgz",
		"universal/ab/00/sstate:bash-native:x86_64-linux:1:2:r0:x86_64:14:" + long + "_populate_sysroot.tar.zst.sig",
		"IN/VA/sstate:bash:a:1:r0:a:14:INVALID_package.tar.zst",
	}
	for _, key := range want {
		a.set(remote.Key(key), 5, time.Hour)
	}
	for _, limit := range []int{0, 9} {
		var got []string
		for _, object := range listOf(t, a.target(), upkeep.ListOptions{Sort: upkeep.ListName, Limit: limit}) {
			got = append(got, object.Key)
			if math.Round(object.AgeSeconds) != 3600 || object.Size != 5 {
				t.Errorf("%+v, want 5 bytes and an hour", object)
			}
		}
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("List() = %q, want %q", got, want)
		}
	}
}

func TestListEndsWithItsReader(t *testing.T) {
	full := errors.New("disk full")
	_, err := upkeep.List(t.Context(), sample().target(), upkeep.ListOptions{}, upkeep.Silent, func(upkeep.ListedObject) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("List() = %v, want %v", err, full)
	}
}

// many is a remote with n objects that takes no memory.
type many struct {
	remote.Remote
	n int
}

func (m many) Traits() remote.Traits { return remote.Traits{} }
func (m many) String() string        { return "many" }

func (m many) List(_ context.Context, _ string, fn func(remote.Info) error) error {
	at := time.Now().Add(-time.Hour)
	for i := range m.n {
		h := fmt.Sprintf("%08x%056x", uint32(i)*2654435761, i)
		key := h[:2] + "/" + h[2:4] + "/sstate:recipe" + fmt.Sprint(i%500) + ":core2-64-poky-linux:1.3:r0:core2-64:14:" + h + "_package.tar.zst"
		if err := fn(remote.Info{Key: remote.Key(key), Size: int64(i), ModTime: at}); err != nil {
			return err
		}
	}
	return nil
}

// The documentation promises how much memory a listing needs.
func TestListIsCompact(t *testing.T) {
	const n = 200_000
	for limit, most := range map[int]uint64{0: 100 * n, 1000: 2 << 20} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		first := true
		_, err := upkeep.List(t.Context(), &upkeep.Target{Remote: many{n: n}, Now: time.Now},
			upkeep.ListOptions{Sort: upkeep.ListSize, Limit: limit}, upkeep.Silent, func(upkeep.ListedObject) error {
				if first {
					runtime.GC()
					runtime.ReadMemStats(&after)
					first = false
				}
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		if got := after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc); got > most {
			t.Errorf("limit %d: %d bytes for %d objects, want at most %d", limit, got, n, most)
		}
	}
}
