package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"sstatefs/ctl/upkeep"
)

// isarKind is a sort of Isar's recipes, known by the task whose archives are
// its cache entries (isar-sstate, sstate_info).
type isarKind struct{ name, task string }

func isarKinds() []isarKind {
	return []isarKind{{"deb", "dpkg_build"}, {"rootfs", "rootfs_install"}, {"bootstrap", "bootstrap"}}
}

// printEntries writes what isar-sstate info -v does: recipes with their cache
// entries, Isar's by kind, all others with their archives by task.
func printEntries(w io.Writer, r upkeep.InfoResult) error {
	archs := make([]string, 0, len(r.Archs))
	for _, a := range r.Archs {
		archs = append(archs, orNone(a.Name))
	}
	slices.Sort(archs)
	text := &strings.Builder{}
	fmt.Fprintf(text, "\nfound the following archs: %s\n", strings.Join(archs, ", "))
	byName := slices.SortedFunc(slices.Values(r.Recipes), func(a, b upkeep.RecipeSum) int { return cmp.Compare(a.Name, b.Name) })
	others := byName
	if slices.ContainsFunc(byName, isIsars) {
		others = nil
		for _, kind := range isarKinds() {
			printKind(text, kind, byName)
		}
		for _, recipe := range byName {
			if !isIsars(recipe) {
				others = append(others, recipe)
			}
		}
		fmt.Fprintf(text, "Other cache entries:\n")
	} else {
		fmt.Fprintf(text, "Cache entries:\n")
	}
	for _, recipe := range others {
		fmt.Fprintf(text, "  - %s: %s%s\n", recipe.Name, entries(recipe.Archives), tasksText(recipe))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// taskOf finds a task of a recipe.
func taskOf(r upkeep.RecipeSum, name string) (upkeep.TaskSum, bool) {
	i := slices.IndexFunc(r.Tasks, func(t upkeep.TaskSum) bool { return t.Name == name })
	if i < 0 {
		return upkeep.TaskSum{}, false
	}
	return r.Tasks[i], true
}

func isIsars(r upkeep.RecipeSum) bool {
	return slices.ContainsFunc(isarKinds(), func(k isarKind) bool {
		_, is := taskOf(r, k.task)
		return is
	})
}

func printKind(w io.Writer, kind isarKind, recipes []upkeep.RecipeSum) {
	fmt.Fprintf(w, "Cache entries for %s:\n", kind.name)
	for _, recipe := range recipes {
		if task, is := taskOf(recipe, kind.task); is {
			fmt.Fprintf(w, "  - %s: %s\n", recipe.Name, entries(task.Archives))
		}
	}
}

func entries(n int64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// tasksText is " (package 1, populate_sysroot 2)", empty without an archive.
func tasksText(r upkeep.RecipeSum) string {
	var parts []string
	for _, t := range r.Tasks {
		if t.Archives > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", t.Name, t.Archives))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
