package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every command line of sstatefs in the documents and in the examples of the
// help can be typed: the command, its flags and their values are understood,
// and it has as many arguments as it wants.
func TestShownCommandsParse(t *testing.T) {
	shown := 0
	for path, text := range documents(t) {
		for _, line := range commandLines(text, "    ") {
			shown++
			if err := parses(line, true); err != nil {
				t.Errorf("%s: sstatefs %s: %v", path, strings.Join(line, " "), err)
			}
		}
		for _, m := range regexp.MustCompile("`sstatefs ([^`]*)`").FindAllStringSubmatch(text, -1) {
			if err := parses(shellWords(m[1]), false); err != nil {
				t.Errorf("%s: `sstatefs %s`: %v", path, m[1], err)
			}
		}
	}
	for _, cmd := range quietProgram().Commands() {
		for _, line := range commandLines(cmd.Example, "  ") {
			shown++
			if err := parses(line, true); err != nil {
				t.Errorf("%s: sstatefs %s: %v", cmd.Name(), strings.Join(line, " "), err)
			}
		}
	}
	if shown < 60 {
		t.Errorf("%d command lines are found: the documents are not read right", shown)
	}
	for _, wrong := range []string{"nosuch", "clean --max-age 30 x", "clean --nosuch x", "flush", "upload a"} {
		if parses(shellWords(wrong), true) == nil {
			t.Errorf("sstatefs %s is taken", wrong)
		}
	}
}

// Every flag that the documents speak of is one of a command, or of another
// program that they name.
func TestShownFlagsExist(t *testing.T) {
	known := map[string]bool{}
	for _, name := range strings.Fields(foreignFlags) {
		known[name] = true
	}
	note := func(f *pflag.Flag) { known["--"+f.Name] = true }
	root := quietProgram()
	root.PersistentFlags().VisitAll(note)
	for _, cmd := range root.Commands() {
		cmd.InitDefaultHelpFlag()
		cmd.LocalFlags().VisitAll(note)
	}
	for path, text := range documents(t) {
		for _, m := range regexp.MustCompile("(?:^|[ `(])(--[a-z][a-z-]*)").FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				t.Errorf("%s: no command has %s", path, m[1])
			}
		}
	}
}

// foreignFlags are of docker, sudo, rclone, versitygw, curl, systemctl,
// bitbake-hashclient, isar-sstate and sstate-cache-management.py.
const foreignFlags = `--addr --address --auth-key --cap-add --device --dir-cache-time --disableotmp --extra-archs --extra-layer
	--htpasswd --keep-alive --mount --now --remove-orphans --stamps-dir --user`

// documents are the texts for people, by path. The pages of the commands are
// made of the help.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(paths) < 5 {
		t.Fatalf("documents: %v, %v", paths, err)
	}
	texts := map[string]string{}
	for _, path := range append(paths, "../../README.md") {
		if filepath.Base(path) == "BENCHMARKS.md" { // its flags are of another program
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	return texts
}

func quietProgram() *cobra.Command {
	return (&program{stdout: io.Discard, stderr: io.Discard}).rootCommand()
}

// commandLines are the words behind each sstatefs in lines that begin with an
// indent, as lines to type do.
func commandLines(text, indent string) [][]string {
	var lines [][]string
	text = strings.ReplaceAll(text, "\\\n", "")
	command := regexp.MustCompile(`(?:^|[ /])sstatefs `)
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, indent) {
			continue
		}
		for _, at := range command.FindAllStringIndex(line, -1) {
			if words := shellWords(line[at[1]:]); len(words) > 0 {
				lines = append(lines, words)
			}
		}
	}
	return lines
}

// shellWords splits a line as a shell does, up to what ends a command.
func shellWords(line string) []string {
	var words []string
	word, inside, quote := "", false, rune(0)
	end := func() {
		if inside {
			words = append(words, word)
		}
		word, inside = "", false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word += string(c)
		case c == '\'' || c == '"':
			quote, inside = c, true
		case strings.ContainsRune(" \t\n", c):
			end()
		case strings.ContainsRune("|&;<>)", c), c == '#' && !inside:
			end()
			return words
		default:
			word, inside = word+string(c), true
		}
	}
	end()
	return words
}

// parses tells what is wrong with a command line, as far as that is known
// before anything is done. The number of arguments counts if that is wanted.
func parses(words []string, whole bool) error {
	root := quietProgram()
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if cmd == root && len(words) > 0 && !strings.HasPrefix(words[0], "-") {
		return fmt.Errorf("no such command")
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if !whole {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
