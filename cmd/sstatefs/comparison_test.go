package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each row of docs/COMPARISON.md names tests, and they are there.
func TestComparisonNamesItsTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/COMPARISON.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for line := range strings.Lines(string(text)) {
		tests := testsNamed(line)
		named += len(tests)
		for _, name := range tests {
			if why := missingTest(name); why != "" {
				t.Errorf("%s: %s, in\n%s", name, why, line)
			}
		}
		row := strings.HasPrefix(line, "| ") && !strings.HasSuffix(line, "| test |\n")
		if row && len(tests) == 0 && !strings.Contains(line, "**no:") {
			t.Errorf("no test is named in\n%s", line)
		}
	}
	if named < 100 {
		t.Errorf("%d tests are named: the table is not read right", named)
	}
	for _, wrong := range []string{"no.txtar", "ctl/upkeep: TestNone", "ctl: TestCleanRules", "ctl/upkeep: TestCleanRules/no such rule"} {
		if missingTest(wrong) == "" {
			t.Errorf("%s is found", wrong)
		}
	}
}

// So does each row of the table at the end of docs/SEMANTICS.md.
func TestPromisesNameTheirTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/SEMANTICS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n|---|---|---|---|\n| What was acknowledged")
	if !found {
		t.Fatal("no table")
	}
	rows := 0
	for line := range strings.Lines(table) {
		tests := testsNamed(line)
		if len(tests) == 0 {
			t.Errorf("no test is named in\n%s", line)
		}
		for _, name := range tests {
			if why := missingTest(name); why != "" {
				t.Errorf("%s: %s, in\n%s", name, why, line)
			}
		}
		rows++
	}
	if rows < 20 {
		t.Errorf("%d rows: the table is not read right, or does not end the document", rows)
	}
}

// testsNamed are the tests of a line, as they are written there.
func testsNamed(line string) []string {
	var names []string
	for _, m := range regexp.MustCompile("`([^` ]+\\.txtar|[a-z0-9/]+: Test[^`]+)`").FindAllStringSubmatch(line, -1) {
		names = append(names, m[1])
	}
	return names
}

// missingTest says why there is no such test, empty if there is.
func missingTest(name string) string {
	if strings.HasSuffix(name, ".txtar") {
		scripts, _ := filepath.Glob(filepath.Join("testdata", "*", filepath.Base(name)))
		for _, path := range scripts {
			if strings.HasSuffix(path, "/"+name) {
				return ""
			}
		}
		return "no such script"
	}
	folder, test, _ := strings.Cut(name, ": ")
	test, sub, _ := strings.Cut(test, "/")
	files, _ := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		switch {
		case !strings.Contains(string(source), "\nfunc "+test+"(t *testing.T)"):
		case sub != "" && !strings.Contains(string(source), `"`+sub+`"`):
			return "no such case in " + path
		default:
			return ""
		}
	}
	return "no such test in " + folder
}
