package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed says which rooms of the module each room may import; docs/DESIGN.md
// has the reasons. A room that is not named may import all, tests may too.
func allowed() map[string][]string {
	return map[string][]string{
		"sstate":         {},
		"sstate/siginfo": {},
		"remote":         {},
		"remote/*":       {"remote", "remote/failpoint"},
		"remote/file":    {"remote", "remote/beneath", "remote/failpoint"},
		"remote/s3":      {"remote", "remote/markup", "remote/transport"},
		"remote/webdav":  {"remote", "remote/markup", "remote/transport"},
		"store":          {"remote", "remote/beneath", "remote/failpoint", "sstate"},
		"fs":             {"store"},
		"ctl":            {"remote", "sstate", "store"},
		"ctl/upkeep":     {"remote", "sstate", "sstate/siginfo"},
		"cmd/sstatefs":   {"cmd/*", "ctl", "ctl/*", "fs", "remote", "remote/*", "sstate", "sstate/*", "store"},
	}
}

// guarded says which foreign modules only one room may import.
func guarded() map[string]string {
	return map[string]string{
		"github.com/hanwen/go-fuse":      "fs",
		"github.com/aws/":                "remote/s3",
		"github.com/studio-b12/gowebdav": "remote/webdav",
	}
}

// Imports go one way. The linter holds this too; here it needs no linter.
func TestImportsGoOneWay(t *testing.T) {
	module := os.DirFS(filepath.Join("..", ".."))
	err := fs.WalkDir(module, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata"):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			checkImports(t, module, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkImports(t *testing.T, module fs.FS, name string) {
	t.Helper()
	text, err := fs.ReadFile(module, name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if why := forbidden(path.Dir(name), imported); why != "" {
			t.Errorf("%s imports %s: %s", name, imported, why)
		}
	}
}

// forbidden tells why a room must not import a package, empty if it may.
func forbidden(room, imported string) string {
	for prefix, only := range guarded() {
		if strings.HasPrefix(imported, prefix) && room != only && room != "integration" && !strings.HasPrefix(room, "integration/") {
			return "only " + only + " may"
		}
	}
	own, ok := strings.CutPrefix(imported, "sstatefs/")
	rules := allowed()
	may, ruled := rules[room]
	if !ruled && strings.HasPrefix(room, "remote/") {
		may, ruled = rules["remote/*"], true
	}
	if !ok || !ruled || matches(may, own) {
		return ""
	}
	return room + " may import " + strings.Join(may, ", ")
}

func matches(patterns []string, room string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if stem, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(room, stem)
		}
		return room == pattern
	})
}

func TestForbidden(t *testing.T) {
	for _, test := range []struct {
		room, imported string
		free           bool
	}{
		{"fs", "sstatefs/store", true},
		{"fs", "sstatefs/remote", false},
		{"store", "sstatefs/fs", false},
		{"remote/file", "sstatefs/remote", true},
		{"remote/file", "sstatefs/store", false},
		{"remote/file", "sstatefs/remote/transport", false},
		{"remote/s3", "sstatefs/remote/transport", true},
		{"remote/webdav", "sstatefs/remote/transport", true},
		{"remote/transport", "sstatefs/remote", true},
		{"remote/s3", "sstatefs/remote/webdav", false},
		{"store", "sstatefs/remote/transport", false},
		{"remote/s3", "github.com/aws/aws-sdk-go-v2/aws", true},
		{"remote/webdav", "github.com/aws/smithy-go", false},
		{"remote/webdav", "github.com/studio-b12/gowebdav", true},
		{"store", "github.com/studio-b12/gowebdav", false},
		{"sstate", "sstatefs/remote", false},
		{"cmd/sstatefs", "sstatefs/remote/file", true},
		{"store", "github.com/hanwen/go-fuse/v2/fuse", false},
		{"fs", "github.com/hanwen/go-fuse/v2/fuse", true},
		{"store", "strings", true},
	} {
		if why := forbidden(test.room, test.imported); (why == "") != test.free {
			t.Errorf("forbidden(%q, %q) = %q, want free %v", test.room, test.imported, why, test.free)
		}
	}
}
