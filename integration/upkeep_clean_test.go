package integration

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sstatefs/integration/servers"
)

// canAge tells whether the times of objects can be set.
func (k *keeper) canAge() bool { return k.s.remote != "" }

// becomeOld makes all that is there look unused for 40 days, or lets some time
// pass.
func (k *keeper) becomeOld(pass time.Duration) {
	k.t.Helper()
	if k.canAge() {
		k.s.age(k.s.names(), 40*24*time.Hour)
		return
	}
	stored := time.Now()
	k.past = stored.Add(pass / 2)
	eventually(k.t, startLimit, "some time has passed", func() bool { return time.Since(stored) > pass })
}

// Times of objects, and what a server says is now, are whole seconds.
const (
	apart  = 1100 * time.Millisecond // makes another time
	oldAge = 4 * time.Second         // and an age between two times, with a second for a slow start of the program
)

// old are the flags by which what has become old is too old.
func (k *keeper) old() []string {
	if k.canAge() {
		return []string{"--max-age=30d"}
	}
	return []string{fmt.Sprintf("--max-age=%.1fs", time.Since(k.past).Seconds()), "--force"}
}

// use is what a build does with an object: through the mount, or on another
// host. It reads it first: some servers are told of a use by the object sent
// again. Of the first try nothing may come but that this is so.
func (k *keeper) use(all goods, key string) {
	k.t.Helper()
	switch {
	case k.m != nil:
		before := k.s.usedAt(key)
		eventually(k.t, startLimit, "the use reaches the remote", func() bool {
			k.shows(all, key)
			k.s.must("touch", "--no-create", k.m.path(key))
			k.m.flush()
			return k.s.usedAt(key).After(before)
		})
		// A server's way to a new time may be a temporary for a while.
		eventually(k.t, startLimit, "no touch is under way", func() bool { return k.m.count("touches.pending") == 0 })
	case k.canAge():
		k.s.age([]string{key}, 0)
	default:
		k.s.put(key, all[key])
	}
}

// cleaned is the JSON of clean.
type cleaned struct {
	Names []struct {
		Key string
	}
	Complete bool
	LookedAt struct{ Total bulk } `json:"looked_at"`
	Removed  struct{ Total bulk }
	Failed   bulk
	Kept     bulk
}

// bulk is a number of objects and their bytes.
type bulk struct{ Objects, Bytes int64 }

func (c cleaned) keys() []string {
	var keys []string
	for _, name := range c.Names {
		keys = append(keys, name.Key)
	}
	return slices.Sorted(slices.Values(keys))
}

// clean runs the verb and wants that exactly these objects go.
func (k *keeper) clean(all goods, flags []string, gone ...string) {
	k.t.Helper()
	k.cleans(all, append(slices.Clone(flags), "--dry-run"), gone)
	before := k.s.names()
	k.cleans(all, flags, gone)
	k.holds(slices.DeleteFunc(before, func(name string) bool { return slices.Contains(gone, name) })...)
}

// wouldClean runs the verb with --dry-run, after which nothing has changed.
func (k *keeper) wouldClean(all goods, flags []string, gone ...string) {
	k.t.Helper()
	before := k.s.names()
	k.cleans(all, append(slices.Clone(flags), "--dry-run"), gone)
	k.holds(before...)
}

// cleans runs the verb and compares what it says.
func (k *keeper) cleans(all goods, flags, gone []string) {
	k.t.Helper()
	r := told[cleaned](k, k.ask(0, append([]string{"clean", there, "--json", "--verbose"}, flags...)...))
	if want := slices.Sorted(slices.Values(gone)); !slices.Equal(r.keys(), want) {
		k.t.Errorf("clean %s names\n  %s\nwant\n  %s", strings.Join(flags, " "),
			strings.Join(r.keys(), "\n  "), strings.Join(want, "\n  "))
	}
	if want := (bulk{int64(len(gone)), all.bytes(gone...)}); r.Removed.Total != want {
		k.t.Errorf("clean %s removes %v, want %v", strings.Join(flags, " "), r.Removed.Total, want)
	}
	kept := bulk{r.LookedAt.Total.Objects - r.Removed.Total.Objects, r.LookedAt.Total.Bytes - r.Removed.Total.Bytes}
	if !r.Complete || r.Kept != kept || r.Failed != (bulk{}) {
		k.t.Errorf("clean %s: %+v, want it complete, %v kept and nothing failed", strings.Join(flags, " "), r, kept)
	}
}

// hashOf is the hash in the name of an object.
func hashOf(key string) string {
	hash, _, _ := strings.Cut(strings.Split(path.Base(key), ":")[7], "_")
	return hash
}

// cleanByAge is --max-age, --max-sig-age, --keep-stamps, --pn and
// --hashes-kept: companions age together, by the newest of them; signatures
// stay longer where that is said; temporaries go when they are a day old.
func (k *keeper) cleanByAge() {
	old, half, used := archive("old", "package", 1), archive("half", "package", 1), archive("used", "package", 1)
	stamped, fresh := archive("stamped", "package", 1), archive("fresh", "package", 1)
	lone := archive("lone", "package", 1) + ".siginfo"
	all := goods{lone: sigfile(k.t, "V", "lone")}
	all.parcel(k.t, old, 3000, ".siginfo", ".sig")
	all.parcel(k.t, half, 2000, ".sig")
	all.parcel(k.t, used, 1000)
	all.parcel(k.t, stamped, 4000, ".siginfo")
	all["hashserv.db"] = "none of ours"
	temporaries := k.temporaries(all, path.Dir(old))
	k.stores(all)
	k.becomeOld(oldAge)
	young := goods{half + ".siginfo": sigfile(k.t, "V", "half"), path.Dir(old) + "/.sstatefs-fedcba9876543210": "under way"}
	young.parcel(k.t, fresh, 500, ".siginfo")
	k.stores(young)
	maps.Copy(all, young)
	k.knows(old, used, stamped)
	k.use(all, used)

	aged := []string{old, old + ".siginfo", old + ".sig", lone, stamped, stamped + ".siginfo"}
	k.leastUsed(append([]string{half, half + ".sig"}, aged...))
	k.wouldClean(all, k.old(), append(temporaries, aged...)...)
	k.wouldClean(all, append(k.old(), "--pn=old"), aged[:3]...)
	stamps := "--keep-stamps=" + k.s.stampsOf("stamped", hashOf(stamped))
	k.clean(all, append(k.old(), "--max-sig-age=90d", stamps), append(temporaries, old, old+".sig")...)
	k.misses(old)
	hashes := k.s.path("kept")
	k.clean(all, append(k.old(), stamps, "--hashes-kept="+hashes), old+".siginfo", lone)
	k.hashesKept(hashes, half, used, fresh, stamped)
	k.clean(all, k.old(), stamped, stamped+".siginfo")
	k.clean(all, k.old())
	k.misses(old, old+".siginfo", old+".sig", lone, stamped)
	k.shows(all, half, half+".siginfo", used, fresh)
}

// temporaries adds what killed writers left, where it can be made a day old,
// and gives those that can be found.
func (k *keeper) temporaries(all goods, dir string) []string {
	if !k.canAge() {
		return nil
	}
	ours, bitbakes := dir+"/.sstatefs-0123456789abcdef", dir+"/sigtask.abcdefgh"
	all[ours], all[bitbakes] = "half of a file", "half of a signature"
	if k.hidesDots() {
		return []string{bitbakes}
	}
	return []string{ours, bitbakes}
}

// hidesDots tells a server that lists no names which begin with a dot: nginx
// with dav-ext 3.0.0.
func (k *keeper) hidesDots() bool { return k.s.place.kind == servers.Nginx }

// leastUsed checks that list begins with what was not used for longest.
func (k *keeper) leastUsed(aged []string) {
	k.t.Helper()
	got := keysOf(k.list("--sort=used", fmt.Sprintf("--limit=%d", len(aged))))
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(aged)); !slices.Equal(got, want) {
		k.t.Errorf("list --sort=used begins with\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// hashesKept checks the file for bitbake-hashclient.
func (k *keeper) hashesKept(file string, keys ...string) {
	k.t.Helper()
	var want []string
	for _, key := range keys {
		want = append(want, "unihash "+hashOf(key))
	}
	slices.Sort(want)
	text, err := os.ReadFile(file)
	if got := strings.Split(strings.TrimSpace(string(text)), "\n"); err != nil || !slices.Equal(got, want) {
		k.t.Errorf("--hashes-kept wrote %v (%v), want %v", got, err, want)
	}
	if left, _ := filepath.Glob(k.s.path(".kept*")); len(left) > 0 {
		k.t.Errorf("--hashes-kept leaves %v", left)
	}
}

// cleanBySize is --max-size: the archive goes that was used least recently, and
// its signature stays, which is small and explains misses.
func (k *keeper) cleanBySize() {
	first, second, third := archive("first", "package", 1), archive("second", "package", 1), archive("third", "package", 1)
	all := goods{}
	all.parcel(k.t, first, 10000, ".siginfo", ".sig")
	k.stores(all)
	k.becomeOld(apart)
	later := goods{}
	later.parcel(k.t, second, 10000, ".siginfo")
	later.parcel(k.t, third, 10000)
	k.stores(later)
	maps.Copy(all, later)
	k.knows(first, second)
	k.clean(all, []string{"--max-size=1M"})
	k.clean(all, []string{"--max-size=25K"}, first, first+".sig")
	k.misses(first, first+".sig")
	k.shows(all, first+".siginfo", second, third)
}

// cleanDuplicated is --remove-duplicated: of a recipe, arch and task the newest
// stays.
func (k *keeper) cleanDuplicated() {
	older, newer, other := archive("twice", "package", 1), archive("twice", "package", 2), archive("twice", "package_qa", 1)
	all := goods{}
	all.parcel(k.t, older, 1000, ".siginfo", ".sig")
	all.parcel(k.t, other, 1000)
	k.stores(all)
	k.becomeOld(apart)
	later := goods{}
	later.parcel(k.t, newer, 2000, ".siginfo")
	k.stores(later)
	maps.Copy(all, later)
	k.knows(older, newer)
	k.clean(all, []string{"--remove-duplicated", "--pn=nobody"})
	k.clean(all, []string{"--remove-duplicated"}, older, older+".siginfo", older+".sig")
	k.misses(older, older+".siginfo")
	k.shows(all, newer, other)
}
