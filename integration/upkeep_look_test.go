package integration

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// listed is one line of list.
type listed struct {
	Key, Kind, PN, Arch, Task, Hash string
	Bytes                           int64
	AgeSeconds                      float64 `json:"age_seconds"`
}

// list runs the verb: one object a line.
func (k *keeper) list(flags ...string) []listed {
	k.t.Helper()
	var all []listed
	lines := json.NewDecoder(strings.NewReader(k.ask(0, append([]string{"list", there, "--json"}, flags...)...)))
	for lines.More() {
		var o listed
		if err := lines.Decode(&o); err != nil {
			k.t.Fatalf("list: %v", err)
		}
		all = append(all, o)
	}
	return all
}

func keysOf(all []listed) []string {
	keys := []string{}
	for _, o := range all {
		keys = append(keys, o.Key)
	}
	return keys
}

// named is a sum of info.
type named struct {
	Name string
	bulk
}

// look is info, list and show: counts, bytes and names are exact.
func (k *keeper) look() {
	keys := archives("alpha", 4) // the last is native
	beta := archive("beta", "package", 1)
	all := goods{}
	for i, key := range keys {
		all.parcel(k.t, key, 1000*(i+1))
	}
	all.parcel(k.t, beta, 9000, ".siginfo", ".sig")
	k.stores(all)
	k.stores(goods{".sstatefs-0123456789abcdef": "half", path.Dir(beta) + "/x.tar.zst": "none of ours"})
	k.knows()
	k.lookAtAll(all)

	bySize := keysOf(k.list("--sort=size", "--limit=2"))
	if want := []string{beta, keys[3]}; !slices.Equal(bySize, want) {
		k.t.Errorf("list --sort=size --limit=2 = %v, want %v", bySize, want)
	}
	byName := keysOf(k.list("--sort=size", "--reverse", "--pn=alpha"))
	if !slices.Equal(byName, keys) {
		k.t.Errorf("list --sort=size --reverse --pn=alpha = %v, want %v", byName, keys)
	}
	if got := slices.Sorted(slices.Values(keysOf(k.list()))); !slices.Equal(got, all.keys()) {
		k.t.Errorf("list = %v, want %v", got, all.keys())
	}
	k.showsRecipe(beta, all)
	k.ask(1, "show", "gamma", there)
}

// lookAtAll compares info with what was stored.
func (k *keeper) lookAtAll(all goods) {
	k.t.Helper()
	info := told[struct {
		Complete    bool
		Clock       string
		Total       bulk
		Kinds       []named
		Recipes     []named
		Temporaries bulk
		Foreign     bulk
	}](k, k.ask(0, "info", there, "--json"))
	if want := (bulk{int64(len(all)), all.bytes(all.keys()...)}); info.Total != want || !info.Complete || info.Clock != "remote" {
		k.t.Errorf("info: %+v, want a total of %v by the remote's clock", info, want)
	}
	for _, kind := range []struct {
		name, side string
	}{{"archive", ".zst"}, {"siginfo", ".siginfo"}, {"sig", ".sig"}} {
		keys := slices.DeleteFunc(all.keys(), func(key string) bool { return !strings.HasSuffix(key, kind.side) })
		want := named{kind.name, bulk{int64(len(keys)), all.bytes(keys...)}}
		if !slices.Contains(info.Kinds, want) {
			k.t.Errorf("info: kinds %v lack %v", info.Kinds, want)
		}
	}
	temporaries := bulk{1, 4}
	if k.hidesDots() {
		temporaries = bulk{}
	}
	if len(info.Recipes) != 2 || info.Temporaries != temporaries || info.Foreign != (bulk{1, 12}) {
		k.t.Errorf("info: %d recipes, temporaries %v, others %v, want 2, %v and one", len(info.Recipes), info.Temporaries, info.Foreign, temporaries)
	}
}

// showsRecipe is show of one archive with its companions.
func (k *keeper) showsRecipe(key string, all goods) {
	k.t.Helper()
	show := told[struct {
		Artefacts []struct {
			Key, Hash, Task string
			Parts           []string
			Bytes           int64
		}
	}](k, k.ask(0, "show", "beta", there, "--json"))
	if len(show.Artefacts) != 1 {
		k.t.Fatalf("show: %+v, want one artefact", show)
	}
	a := show.Artefacts[0]
	want := all.bytes(key, key+".siginfo", key+".sig")
	if a.Key != key || a.Hash != hashOf(key) || a.Task != "package" || len(a.Parts) != 3 || a.Bytes != want {
		k.t.Errorf("show: %+v, want %s in three parts of %d bytes", a, key, want)
	}
}

// explain is analyze and lint: what differs between signatures, and the paths
// in them.
func (k *keeper) explain() {
	ours, theirs := archive("app", "package", 1)+".siginfo", archive("app", "package", 2)+".siginfo"
	same := archive("same", "package", 1) + ".siginfo"
	local := goods{ours: sigfile(k.t, "FEATURES", "usb wifi"), same: sigfile(k.t, "V", "1")}
	source := k.s.mkdir("local", 0o755)
	local.write(k.t, source)
	k.stores(goods{theirs: sigfile(k.t, "FEATURES", "/work/usb"), same: local[same]})
	k.knows()
	r := told[struct {
		Checked, Found, Missing, Unread int
		Causes                          []struct{ What, Recipes []string }
		Items                           []struct {
			Key, State string
			Candidates []struct{ Key string }
		}
	}](k, k.ask(0, "analyze", source, there, "--json"))
	if r.Checked != 2 || r.Found != 1 || r.Missing != 1 || r.Unread != 0 {
		k.t.Errorf("analyze: %+v, want one of two missing", r)
	}
	if len(r.Causes) != 1 || !slices.Equal(r.Causes[0].What, []string{"FEATURES"}) || !slices.Equal(r.Causes[0].Recipes, []string{"app"}) {
		k.t.Errorf("analyze: causes %+v, want FEATURES in app", r.Causes)
	}
	for _, item := range r.Items {
		if item.Key == ours && (len(item.Candidates) != 1 || item.Candidates[0].Key != theirs) {
			k.t.Errorf("analyze: %+v, want to compare with %s", item, theirs)
		}
	}

	lint := told[struct {
		Scanned    int
		SourcesDir int `json:"sources_dir"`
		Signatures []struct{ Key string }
	}](k, k.ask(1, "lint", there, "--json"))
	if lint.Scanned != 2 || lint.SourcesDir != 1 || len(lint.Signatures) != 1 || lint.Signatures[0].Key != theirs {
		k.t.Errorf("lint: %+v, want one path in %s", lint, theirs)
	}
	k.ask(77, "lint", there, "--exit-code=77")
	k.ask(0, "lint", there, "--exit-code=77", "--sources-dir=/nowhere")
}
