package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sstatefs/ctl"
)

// completeArguments completes the arguments of all commands by the words of
// their usage: mounts and folders for MOUNTPOINT and TARGET, folders and files
// for what names them, nothing for recipes and objects.
func (p *program) completeArguments(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Name() == "mount" || len(cmd.ValidArgs) > 0 {
			continue // nothing is mounted yet where mount is to
		}
		usages := argumentWords(cmd)
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			words := wordsAt(usages, len(args))
			switch {
			case slices.ContainsFunc(words, namesMount):
				return p.completeMounts(typed)
			case slices.Contains(words, "SOURCE"):
				return folders(cmd, args, typed)
			case slices.ContainsFunc(words, namesFile):
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// argumentWords are the words of each way to use a command, after its flags:
// "[MOUNTPOINT]".
func argumentWords(cmd *cobra.Command) (usages [][]string) {
	for usage := range strings.SplitSeq(cmd.Use, " | ") {
		words := strings.Fields(usage)
		words = slices.DeleteFunc(words, func(word string) bool { return strings.ToUpper(word) != word })
		usages = append(usages, words)
	}
	return usages
}

// wordsAt are what the n-th argument may be. One with dots may be many.
func wordsAt(usages [][]string, n int) (words []string) {
	for _, usage := range usages {
		switch {
		case n < len(usage):
			words = append(words, usage[n])
		case len(usage) > 0 && strings.HasSuffix(usage[len(usage)-1], "..."):
			words = append(words, usage[len(usage)-1])
		}
	}
	return words
}

func namesMount(word string) bool {
	word = strings.Trim(word, "[].")
	return word == "MOUNTPOINT" || word == "TARGET" || word == "REMOTE"
}

// namesFile tells of a file, as those that are compared.
func namesFile(word string) bool { return word == "FILE" || word == "A" || word == "B" }

// completeMounts completes live mounts and folders. No daemon and no server is
// asked: a shell would hang with it.
func (p *program) completeMounts(typed string) ([]string, cobra.ShellCompDirective) {
	var found []string
	for _, mountpoint := range p.host.Mountpoints() {
		if strings.HasPrefix(mountpoint, typed) {
			found = append(found, mountpoint)
		}
	}
	if len(found) == 0 {
		return folders(nil, nil, typed)
	}
	below := foldersOf(typed)
	below = slices.DeleteFunc(below, func(dir string) bool { return slices.Contains(found, strings.TrimSuffix(dir, "/")) })
	if len(below) == 0 {
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	return append(found, below...), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// foldersOf are the folders whose path begins with what was typed, each with a
// slash at its end.
func foldersOf(typed string) []string {
	dir, begun := filepath.Split(typed)
	table, err := ctl.ReadTable()
	if err != nil {
		return nil
	}
	path, err := table.Resolve(dir)
	if err != nil || table.MayHang(path) {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		hidden := strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(begun, ".")
		if e.IsDir() && !hidden && strings.HasPrefix(e.Name(), begun) {
			found = append(found, dir+e.Name()+"/")
		}
	}
	return found
}
