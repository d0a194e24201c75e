package upkeep

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"sstatefs/remote"
	"sstatefs/sstate/siginfo"
)

func TestLintAsIsar(t *testing.T) {
	for _, test := range []struct {
		golden string
		o      LintOptions
		other  bool
	}{
		{"expected/lint.txt", LintOptions{SourcesDir: "/srv/yp/src", BuildDir: "/srv/yp/wi"}, false},
		{"expected/lint-verbose-other.txt", LintOptions{SourcesDir: "/nowhere", BuildDir: "/elsewhere/"}, true},
	} {
		var out strings.Builder
		result, err := Lint(t.Context(), isarTarget(t, "remote"), test.o, Silent, func(s LintedSignature) error {
			for _, line := range s.Lines(siginfo.Colored, test.other) {
				fmt.Fprintln(&out, line)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range result.Lines() {
			fmt.Fprintln(&out, line)
		}
		fmt.Fprintln(&out, "exit", result.Issues())
		if want := string(isar(t)[test.golden]); out.String() != want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.golden, out.String(), want)
		}
	}
}

func TestLintRules(t *testing.T) {
	o := LintOptions{SourcesDir: "/work/", BuildDir: "/work/build"}
	s := &siginfo.Signature{
		BaseHashIgnoreVars:  []string{"IGNORED"},
		TaskHashIgnoreTasks: siginfo.Text("TASKS_MATCH_THIS"),
		VarVals: map[string]siginfo.Value{
			"BUILT":            siginfo.Text("  /work/build/tmp/x"),
			"WHOLE":            siginfo.Text("/work/build"),
			"LIST":             siginfo.Text("/work/build:/usr/bin"),
			"SOURCE":           siginfo.Text("/work/layer/file"),
			"LONGER":           siginfo.Text("/work/builder/file"),
			"OTHER":            siginfo.Text("/usr/bin"),
			"NEAR":             siginfo.Text("/workshop"),
			"RELATIVE":         siginfo.Text("work/build"),
			"EMPTY":            siginfo.Text(" "),
			"NONE":             {},
			"lower":            siginfo.Text("/work/build"),
			"PP":               siginfo.Text("/work/build"),
			"IGNORED":          siginfo.Text("/work/build"),
			"TASKS_MATCH_THIS": siginfo.Text("/work/build"),
			"SRC_URI":          siginfo.Text("git://x file://a.patch file:///work/build/a\tfile:///opt/b;x=1 /work/build/c"),
		},
	}
	want := []LintIssue{
		{PathInBuild, "BUILT", "/work/build/tmp/x"},
		{PathInBuild, "LIST", "/work/build:/usr/bin"},
		{PathInSources, "LONGER", "/work/builder/file"},
		{PathOther, "NEAR", "/workshop"},
		{PathOther, "OTHER", "/usr/bin"},
		{PathInSources, "SOURCE", "/work/layer/file"},
		{PathInBuild, "SRC_URI", "file:///work/build/a"},
		{PathOther, "SRC_URI", "file:///opt/b;x=1"},
		{PathInBuild, "WHOLE", "/work/build"},
	}
	if got := o.issues(s); !slices.Equal(got, want) {
		t.Errorf("issues are\n%v\nwant\n%v", got, want)
	}
}

// lintCache has one issue in a task of zlib, one in an excluded task, one in
// another recipe, and a signature that does not read.
func lintCache(t *testing.T) cache {
	c := newCache(t)
	bad := signature{vars: map[string]string{"DIR": "/build/tmp/x"}}
	c.add("zlib", "compile", "x", hashNo(1), 0, bad)
	c.add("zlib", "image_wic", "x", hashNo(2), 0, bad)
	c.add("hello", "compile", "x", hashNo(1), 0, bad) // the same hash
	c.Set(sigKey("zlib", "compile", "x", hashNo(3)), []byte("garbage"))
	return c
}

func TestLintPicks(t *testing.T) {
	expression, err := ParseExpression("lib|hel")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		o    LintOptions
		want LintResult
	}{
		{"all", LintOptions{}, LintResult{Scanned: 4, Broken: 1, BuildDir: 3}},
		{"excluded", LintOptions{ExcludedTasks: []string{"rootfs_wicenv", "image_*"}}, LintResult{Scanned: 4, Excluded: 1, Broken: 1, BuildDir: 2}},
		{"filter", LintOptions{Filter: Filter{Task: []string{"compile"}}}, LintResult{Scanned: 3, Broken: 1, BuildDir: 2}},
		{"regex", LintOptions{Filter: Filter{Expression: expression}}, LintResult{Scanned: 1, BuildDir: 1}},
	} {
		test.o.BuildDir = "/build"
		got, err := Lint(t.Context(), lintCache(t).target(), test.o, Silent, func(LintedSignature) error { return nil })
		if (got.BrokenWhy != "") != (got.Broken > 0) {
			t.Errorf("%s: %d broken: %q", test.name, got.Broken, got.BrokenWhy)
		}
		got.BrokenWhy = ""
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", test.name, got, err, test.want)
		}
	}
}

func TestLintTellsWhatItCouldNotRead(t *testing.T) {
	c := lintCache(t)
	c.FailNext("get", 1, remote.ErrUnavailable)
	got, err := Lint(t.Context(), c.target(), LintOptions{Jobs: 1}, Silent, func(LintedSignature) error { return nil })
	if err != nil || got.Unread != 1 || got.UnreadWhy == "" {
		t.Errorf("Lint() = %+v, %v", got, err)
	}
}

func TestLintStops(t *testing.T) {
	c := lintCache(t)
	c.Fail("sweep", remote.ErrUnavailable)
	_, err := Lint(t.Context(), c.target(), LintOptions{}, Silent, func(LintedSignature) error { return nil })
	if !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("with a listing that fails: %v", err)
	}
}

func TestLintStamps(t *testing.T) {
	s := signature{task: "compile", vars: map[string]string{"DIR": "/build/tmp/x"}}
	text := &fstest.MapFile{Data: s.pack(t)}
	stamps := fstest.MapFS{
		"core2-64-poky-linux/zlib/1.3-r0.do_compile.sigdata." + hashNo(1):     text,
		"core2-64-poky-linux/zlib/1.3-r0.do_compile.sigbasedata." + hashNo(1): text,
		"core2-64-poky-linux/zlib/1.3-r0.do_compile." + hashNo(1):             text,
		"core2-64-poky-linux/hello/1.0-r0.do_image_wic.sigdata." + hashNo(2):  text,
	}
	var found []string
	result, err := LintStamps(t.Context(), stamps, LintOptions{BuildDir: "/build/tmp", ExcludedTasks: []string{"image_wic"}}, Silent,
		func(s LintedSignature) error {
			found = append(found, s.Arch+":"+s.PN+":"+s.Task+":"+s.Hash)
			return nil
		})
	want := LintResult{Scanned: 2, Excluded: 1, BuildDir: 1}
	if err != nil || result != want || !slices.Equal(found, []string{"core2-64-poky-linux:zlib:compile:" + hashNo(1)}) {
		t.Errorf("LintStamps() = %+v, %v, found %v", result, err, found)
	}
}

// The keys of JSON are stable.
func TestLintJSON(t *testing.T) {
	text, err := json.Marshal(LintedSignature{Issues: []LintIssue{{PathInBuild, "V", "/x"}}})
	if want := `{"key":"","arch":"","pn":"","task":"","hash":"","issues":[{"kind":"build-dir","variable":"V","value":"/x"}]}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v", text, err)
	}
}
