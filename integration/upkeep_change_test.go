package integration

import (
	"maps"
	"strings"

	"sstatefs/integration/proxy"
)

// remove takes an archive with its companions, by name and by pattern.
func (k *keeper) remove() {
	gone, alone, kept := archive("gone", "package", 1), archive("alone", "package", 1), archive("kept", "package", 1)
	all := goods{}
	all.parcel(k.t, gone, 1000, ".siginfo", ".sig")
	all.parcel(k.t, alone, 1000, ".siginfo")
	all.parcel(k.t, kept, 1000, ".siginfo")
	k.stores(all)
	k.knows(gone, alone, kept)

	k.removes(bulk{3, all.bytes(gone, gone+".siginfo", gone+".sig")}, "sstate:gone:*", "--dry-run")
	k.holds(all.keys()...)
	k.removes(bulk{3, all.bytes(gone, gone+".siginfo", gone+".sig")}, "sstate:gone:*")
	k.removes(bulk{1, all.bytes(alone + ".siginfo")}, alone+".siginfo")
	k.holds(alone, kept, kept+".siginfo")
	k.ask(1, "remove", there, "sstate:gone:*")
	k.ask(1, "remove", there, "hashserv.db") // which is never removed
	k.misses(gone, gone+".siginfo", gone+".sig", alone+".siginfo")
	k.shows(all, alone, kept, kept+".siginfo")
}

func (k *keeper) removes(want bulk, args ...string) {
	k.t.Helper()
	r := told[struct {
		Complete bool
		Removed  struct{ Total bulk }
	}](k, k.ask(0, append([]string{"remove", there, "--json"}, args...)...))
	if r.Removed.Total != want || !r.Complete {
		k.t.Errorf("remove %s: %+v, want %v", strings.Join(args, " "), r, want)
	}
}

// verify finds what is broken and changes nothing; --repair deletes that and
// nothing else, so that the next build makes it again.
func (k *keeper) verify() {
	good, void, cut := archive("good", "package", 1), archive("void", "package", 1), archive("cut", "package", 1)
	orphan := archive("orphan", "package", 1) + ".sig"
	all := goods{orphan: "signature of nothing"}
	all.parcel(k.t, good, 3000, ".siginfo", ".sig")
	all.parcel(k.t, void, 1000, ".siginfo")
	all.parcel(k.t, cut, 3000, ".siginfo", ".sig")
	whole := all[cut]
	all[void], all[cut] = "", whole[:2000]
	k.stores(all)
	k.knows(good)

	faults := map[string]string{void: "empty", cut: "truncated", orphan: "no-archive"}
	k.verifies(1, faults, 0)
	k.holds(all.keys()...)
	k.verifies(0, faults, 3, "--repair")
	k.holds(good, good+".siginfo", good+".sig", void+".siginfo", cut+".siginfo")
	k.verifies(0, nil, 0)
	k.misses(void, cut, cut+".sig", orphan)
	k.shows(all, good)
	if k.m != nil {
		goods{"again": whole}.write(k.t, k.s.dir)
		k.s.must("cp", k.s.path("again"), k.m.path(cut))
		if k.s.sum(cut) != sum(k.s.path("again")) {
			k.t.Errorf("what is made again does not reach the remote")
		}
	}
}

// verifies runs the verb and compares the faults of objects.
func (k *keeper) verifies(code int, faults map[string]string, deleted int, flags ...string) {
	k.t.Helper()
	r := told[struct {
		Deleted, Remaining, Unchecked int
		Findings                      []struct {
			Key, Fault string
			Deleted    bool
		}
	}](k, k.ask(code, append([]string{"verify", there, "--json"}, flags...)...))
	got := map[string]string{}
	for _, f := range r.Findings {
		got[f.Key] = f.Fault
	}
	if len(faults) == 0 {
		faults = map[string]string{}
	}
	if !maps.Equal(got, faults) || r.Deleted != deleted || r.Remaining != len(faults)-deleted || r.Unchecked != 0 {
		k.t.Errorf("verify %s: %+v, want %v, %d deleted", strings.Join(flags, " "), r, faults, deleted)
	}
}

// fetch warms the cache of a mount. What was fetched is there when the remote
// is not.
func (k *keeper) fetch() {
	if k.m == nil {
		code := 2
		if k.s.server == nil {
			code = 4 // a mount could be there
		}
		k.ask(code, "fetch", there)
		return
	}
	keys, other := archives("warm", 4), archive("cold", "package", 1)
	all := goods{}
	for i, key := range keys {
		all.parcel(k.t, key, 1000*(i+1), ".siginfo")
	}
	all.parcel(k.t, other, 1000)
	k.stores(all)
	address, hide, show := k.s.address, k.s.hide, k.s.show
	if k.s.server != nil { // which others use too
		p := k.s.breakable()
		hide, show = func() { p.Set(proxy.Refuse()) }, p.Heal
	}
	m := k.s.mount("b")
	k.s.address = address
	fetched := m.ask("fetch", "--pn=warm")
	for path, want := range map[string]int64{
		"fetched.objects": 4, "fetched.bytes": all.bytes(keys...), "cached.objects": 0, "failed": 0,
	} {
		if got := fetched.number(k.t, path); got != want {
			k.t.Errorf("fetch: %s = %d, want %d", path, got, want)
		}
	}
	if cached := m.ask("fetch", "--pn=warm").number(k.t, "cached.objects"); cached != 4 {
		k.t.Errorf("fetched again: %d are here already, want 4", cached)
	}
	hide()
	(&keeper{t: k.t, s: k.s, m: m}).shows(all, keys...)
	show()
	m.stop()
}
