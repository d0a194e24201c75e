package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What docs/OPERATIONS.md shows of the hooks is what the scripts try.
func TestHooksAreShown(t *testing.T) {
	text, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../../docs/hooks/*")
	if err != nil || len(paths) != 3 {
		t.Fatalf("hooks: %v, %v, want 3", paths, err)
	}
	for _, path := range paths {
		hook, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var shown strings.Builder
		for line := range strings.Lines(string(hook)) {
			if line != "\n" {
				line = "    " + line
			}
			shown.WriteString(line)
		}
		if !strings.Contains(string(text), shown.String()) {
			t.Errorf("docs/OPERATIONS.md does not show %s as it is", filepath.Base(path))
		}
	}
}

// Links between the documents lead to a file and, where they name one, to a
// heading of it.
func TestLinksLead(t *testing.T) {
	found := 0
	for path, text := range documents(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			found++
			to := path
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(path), m[1])
			}
			there, err := os.ReadFile(to)
			if info, e := os.Stat(to); e == nil && info.IsDir() {
				err = nil
			}
			if err != nil || m[2] != "" && !hasHeading(string(there), m[2][1:]) {
				t.Errorf("%s: %s leads nowhere", path, m[0])
			}
		}
	}
	if found < 40 {
		t.Errorf("%d links are found: the documents are not read right", found)
	}
}

// hasHeading tells whether a heading has an anchor, as GitHub makes them.
func hasHeading(text, anchor string) bool {
	for line := range strings.Lines(text) {
		title := strings.TrimSpace(strings.TrimLeft(line, "#"))
		if !strings.HasPrefix(line, "#") {
			continue
		}
		title = regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(title), "")
		if strings.ReplaceAll(title, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// The README's table has every command.
func TestReadmeHasEveryCommand(t *testing.T) {
	text := documents(t)["../../README.md"]
	for _, cmd := range quietProgram().Commands() {
		if !regexp.MustCompile("(?m)^\\| .*`(sstatefs )?" + cmd.Name() + "\\b").MatchString(text) {
			t.Errorf("README.md does not name %s", cmd.Name())
		}
	}
}
