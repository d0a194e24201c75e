package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/commands and man anew: make docs")

// Where the pages are, from here.
const (
	webPages = "../../docs/commands"
	manPages = "../../man"
)

// The pages say what --help says: they are made of it.
func TestPages(t *testing.T) {
	for dir, pages := range map[string]map[string][]byte{webPages: webPagesOf(t), manPages: manPagesOf(t)} {
		if *update {
			writePages(t, dir, pages)
		}
		there, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range there {
			if pages[filepath.Base(path)] == nil {
				t.Errorf("%s is the page of no command: make docs", path)
			}
		}
		for name, want := range pages {
			path := filepath.Join(dir, name)
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what --help says (%v): make docs", path, err)
			}
		}
	}
}

func writePages(t *testing.T, dir string, pages map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// pagedCommands are the program and all its commands, with texts that are
// Markdown.
func pagedCommands() []*cobra.Command {
	root := (&program{stdout: io.Discard, stderr: io.Discard}).rootCommand()
	all := append([]*cobra.Command{root}, root.Commands()...)
	for _, cmd := range all {
		cmd.DisableAutoGenTag = true // it has the date
		cmd.Long = markdown(cmd.Long)
	}
	return all
}

// webPagesOf are pages for a browser, "clean.md" for each command.
func webPagesOf(t *testing.T) map[string][]byte {
	t.Helper()
	link := func(name string) string { return strings.TrimPrefix(name, "sstatefs_") }
	pages := map[string][]byte{}
	for _, cmd := range pagedCommands() {
		var page bytes.Buffer
		if err := doc.GenMarkdownCustom(cmd, &page, link); err != nil {
			t.Fatal(err)
		}
		pages[cmd.Name()+".md"] = append(bytes.TrimSpace(page.Bytes()), '\n')
	}
	return pages
}

// manPagesOf are pages for man(1), "sstatefs-clean.1" for each command.
func manPagesOf(t *testing.T) map[string][]byte {
	t.Helper()
	pages := map[string][]byte{}
	for _, cmd := range pagedCommands() {
		escape := func(f *pflag.Flag) { f.Usage = escapeMarkdown(strings.ReplaceAll(f.Usage, "`", "")) }
		cmd.LocalFlags().VisitAll(escape)
		cmd.Example = strings.ReplaceAll(cmd.Example, "\t", "    ")
		var page bytes.Buffer
		header := &doc.GenManHeader{Section: "1", Date: &time.Time{}, Source: "sstatefs", Manual: "sstatefs"}
		if err := doc.GenMan(cmd, header, &page); err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(page.String(), `"Jan 0001"`, `""`, 1) // a date says nothing of the content
		pages[strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"] = []byte(text)
	}
	return pages
}

// markdown makes Markdown of a help text: what is indented there is a table or
// a line to type and stays as it is, the rest is prose.
func markdown(help string) string {
	var out []string
	inside := false
	for line := range strings.Lines(help) {
		line = strings.TrimSuffix(line, "\n")
		indented := strings.HasPrefix(line, "  ")
		switch {
		case indented && !inside:
			out = append(out, "", "```", line)
		case !indented && inside:
			out = append(out, "```", "", escapeMarkdown(line))
		case indented:
			out = append(out, line)
		default:
			out = append(out, escapeMarkdown(line))
		}
		inside = indented
	}
	if inside {
		out = append(out, "```")
	}
	return strings.Join(slices.Compact(out), "\n") // no two blank lines
}

// escapeMarkdown makes a line of text mean itself.
func escapeMarkdown(line string) string {
	line = regexp.MustCompile("[*_<`\\[\\\\]").ReplaceAllString(line, `\$0`)
	return regexp.MustCompile(`^([-+#]|[0-9]+\.)( |$)`).ReplaceAllString(line, `\$0`)
}
