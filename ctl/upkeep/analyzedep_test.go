package upkeep

import (
	"strings"
	"testing"

	"sstatefs/sstate/siginfo"
)

// The remote's dependency is followed also where only the local cache has its
// signature, from an earlier build.
func TestAnalyzeFindsRemoteDependenciesHere(t *testing.T) {
	local, far := newCache(t), newCache(t)
	base := func(v string) signature { return signature{vars: map[string]string{"V": v}} }
	dep := func(n int) signature { return signature{deps: map[string]string{"base:do_install": hashNo(n)}} }
	local.add("base", "install", "x", hashNo(1), 0, base("1"))
	local.add("base", "install", "x", hashNo(2), 0, base("2"))
	local.add("top", "compile", "x", hashNo(4), 0, dep(2))
	far.add("top", "compile", "x", hashNo(3), 0, dep(1))
	items, result := analyzeAll(t, local, far, AnalyzeOptions{Filter: Filter{PN: []string{"top"}}})
	if len(result.Causes) != 1 || result.Causes[0].String() != "1 miss comes from V in base" {
		t.Errorf("causes are %v", result.Causes)
	}
	if text := strings.Join(items[0].Lines(siginfo.Plain), "\n"); !strings.Contains(text, "    Variable V value changed from '1' to '2'") {
		t.Errorf("got\n%s", text)
	}
}
