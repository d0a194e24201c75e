package siginfo

import "strings"

// Dep is the key of a dependency, taken apart.
type Dep struct {
	MC   string // multiconfig; mostly empty
	PN   string // recipe, as in names of objects
	Task string // without "do_", as in names of objects
}

// ParseDep takes the key of a dependency apart: "pn:do_x" and "mc:NAME:pn:do_x"
// since BitBake 2.6, before it "/path/pn_pv.bb:do_x" and
// "virtual:native:/path/pn_pv.bb:do_x", each perhaps behind "mc:NAME:". ok is
// false when there is no recipe or no task in it.
func ParseDep(key string) (d Dep, ok bool) {
	if rest, is := strings.CutPrefix(key, "mc:"); is {
		d.MC, key, _ = strings.Cut(rest, ":")
	}
	i := strings.LastIndexByte(key, ':')
	if i < 0 {
		return Dep{}, false
	}
	d.Task = strings.TrimPrefix(key[i+1:], "do_")
	d.PN = recipePN(key[:i])
	if d.PN == "" || d.Task == "" {
		return Dep{}, false
	}
	return d, true
}

// StoredAs are the recipes under whose names objects of the task are stored:
// its own, and gcc for what all recipes of gcc share (SSTATE_SWSPEC in oe-core's
// gcc-source.inc).
func (d Dep) StoredAs() []string {
	if strings.HasPrefix(d.PN, "gcc-source-") {
		return []string{d.PN, "gcc"}
	}
	return []string{d.PN}
}

// recipePN is PN of a recipe: its name, or the name of its file up to the
// first underscore, with what its class extension adds (BBCLASSEXTEND).
func recipePN(recipe string) string {
	extend, file, extended := strings.Cut(recipe, "/")
	if !extended {
		return recipe
	}
	pn, _, _ := strings.Cut(file[strings.LastIndexByte(file, '/')+1:], "_")
	pn = strings.TrimSuffix(pn, ".bb")
	extend = strings.TrimSuffix(strings.TrimPrefix(extend, "virtual:"), ":")
	switch kind, name, _ := strings.Cut(extend, ":"); kind {
	case "native":
		return pn + "-native"
	case "nativesdk":
		return "nativesdk-" + pn
	case "multilib":
		return name + "-" + pn
	}
	return pn
}
