package sstate

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
)

const (
	hash64   = "8013b0556d0f80e1ca6128c9b506ba35613b83687f6bd6f96defaff3b1d784de"
	hash32   = "0123456789abcdef0123456789abcdef"
	basename = "sstate:zlib:core2-64-poky-linux:1.3.1:r0:core2-64:14:" + hash64 + "_package.tar.zst"
)

// fixture is a line of testdata/names.txt, a copy of what real runs left.
type fixture struct {
	kind, path string
	name       Name // of an object
}

func fixtures(t testing.TB) []fixture {
	t.Helper()
	f, err := os.Open("testdata/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []fixture
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		col := strings.Split(lines.Text(), "\t")
		if len(col) != 13 {
			t.Fatalf("%d columns in %q", len(col), lines.Text())
		}
		for i := range col {
			if col[i] == "-" {
				col[i] = ""
			}
		}
		n := Name{"", col[2], col[3], col[4], col[5], col[6], col[7], col[8], col[9], col[10], col[11]}
		if dirs := strings.Split(col[1], "/"); col[0] == "object" && len(dirs) == 4 {
			n.ExtraPath = dirs[0]
		}
		all = append(all, fixture{col[0], col[1], n})
	}
	if err := lines.Err(); err != nil || len(all) < 88 {
		t.Fatalf("%d fixtures, %v", len(all), err)
	}
	return all
}

func TestParsePathFixtures(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.path, func(t *testing.T) {
			n, ok := ParsePath(f.path)
			if ok != (f.kind == "object") || n != f.name {
				t.Fatalf("ParsePath = %+v, %v, want %+v (%s)", n, ok, f.name, f.kind)
			}
			if ok {
				checkMethods(t, f.path, n)
			}
		})
	}
}

func checkMethods(t *testing.T, p string, n Name) {
	t.Helper()
	if n.Path() != p || n.Dir() != path.Dir(p) || n.String() != path.Base(p) {
		t.Errorf("Path, Dir, String = %q, %q, %q of %q", n.Path(), n.Dir(), n.String(), p)
	}
	if b, ok := ParseName(path.Base(p)); !ok || b.String() != n.String() || b.ExtraPath != "" {
		t.Errorf("ParseName = %+v, %v", b, ok)
	}
	a := n.Archive()
	if !a.IsArchive() || a.Path()+n.Side != p || ArchivePath(p) != a.Path() {
		t.Errorf("Archive = %q, ArchivePath = %q of %q", a.Path(), ArchivePath(p), p)
	}
	if n.IsArchive() != (n.Side == "") {
		t.Errorf("IsArchive = %v, side %q", n.IsArchive(), n.Side)
	}
}

// named returns a base name with the given PV, padded in PN to length bytes.
func named(pv string, length int) string {
	const format = "sstate:%s:t:%s:r0:a:14:" + hash64 + "_package.tgz"
	pad := length - len(fmt.Sprintf(format, "", pv))
	return fmt.Sprintf(format, strings.Repeat("p", max(pad, 1)), pv)
}

func TestParseName(t *testing.T) {
	stem := strings.TrimSuffix(basename, "package.tar.zst")
	tests := []struct {
		about, base string
		ok          bool
	}{
		{"plain", basename, true},
		{"32 hex digits", strings.Replace(basename, hash64, hash32, 1), true},
		{"INVALID", strings.Replace(basename, hash64, "INVALID", 1), true},
		{"255 bytes", named("1", 255), true},
		{"256 bytes", named("1", 256), false},
		{"PV with colons", named("1:2::3", 0), true},
		{"empty PV", named("", 0), true},
		{"task with underscores and dash", stem + "a_b-c.tgz.sig", true},
		{"UTF-8", named("1\u00e9", 0), true},
		{"not UTF-8", named("1\xe9", 0), false},
		{"NUL", named("1\x00", 0), false},
		{"newline", named("1\n", 0), false},
		{"DEL", named("1\x7f", 0), false},
		{"slash", named("1/2", 0), false},
		{"trailing newline", basename + "\n", false},
		{"trailing dot", basename + ".", false},
		{"done", basename + ".done", false},
		{"siginfo of sig", basename + ".sig.siginfo", false},
		{"sig of siginfo", basename + ".siginfo.sig", false},
		{"siginfo of siginfo", basename + ".siginfo.siginfo", false},
		{"sig of sig", basename + ".sig.sig", false},
		{"extension twice", basename + ".tar.zst", false},
		{"other extension", stem + "package.tar.xz", false},
		{"tar.zst without dot", stem + "packagetar.zst", false},
		{"no extension", stem + "package", false},
		{"no task", stem + ".tgz", false},
		{"no underscore", strings.Replace(basename, hash64+"_", hash64, 1), false},
		{"dot in task", stem + "a.b.tgz", false},
		{"upper-case hash", strings.Replace(basename, hash64, strings.ToUpper(hash64), 1), false},
		{"invalid", strings.Replace(basename, hash64, "invalid", 1), false},
		{"63 digits", strings.Replace(basename, hash64, hash64[1:], 1), false},
		{"65 digits", strings.Replace(basename, hash64, hash64+"0", 1), false},
		{"digit out of range", strings.Replace(basename, hash64, "g"+hash64[1:], 1), false},
		{"no PN", strings.Replace(basename, ":zlib:", "::", 1), false},
		{"field missing", strings.Replace(basename, ":r0:", ":", 1), false},
		{"three fields missing", strings.Replace(basename, ":r0:core2-64:14:", ":", 1), false},
		{"no field", "sstate:" + hash64 + "_package.tgz", false},
		{"other prefix", "S" + basename[1:], false},
		{"only prefix", "sstate:", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			n, ok := ParseName(tt.base)
			if ok != tt.ok {
				t.Fatalf("ParseName(%q) = %+v, %v, want %v", tt.base, n, ok, tt.ok)
			}
			if ok && n.String() != tt.base {
				t.Errorf("String = %q, want %q", n.String(), tt.base)
			}
			if !ok && n != (Name{}) {
				t.Errorf("ParseName(%q) fails with %+v", tt.base, n)
			}
		})
	}
}

func TestParseNameColonInPV(t *testing.T) {
	n, ok := ParseName(named("1:2::3", 0))
	if !ok || n.PV != "1:2::3" || n.Target != "t" || n.PR != "r0" || n.Arch != "a" || n.Version != "14" {
		t.Errorf("ParseName = %+v, %v", n, ok)
	}
}

func TestParsePath(t *testing.T) {
	invalid := strings.Replace(basename, hash64, "INVALID", 1)
	tests := []struct {
		path string
		ok   bool
	}{
		{"80/13/" + basename, true},
		{"universal/80/13/" + basename, true},
		{"80/80/13/" + basename, true},
		{"IN/VA/" + invalid, true},
		{"x/IN/VA/" + invalid, true},
		{strings.Repeat("x", 255) + "/80/13/" + basename, true},
		{strings.Repeat("x", 256) + "/80/13/" + basename, false},
		{basename, false},
		{"13/" + basename, false},
		{"80/14/" + basename, false},
		{"81/13/" + basename, false},
		{"80-13/" + basename, false},
		{"80/13/" + invalid, false},
		{"IN/VA/" + basename, false},
		{"in/va/" + invalid, false},
		{"a/b/80/13/" + basename, false},
		{"x80/13/" + basename, false},
		{"xy80/13/" + basename, false},
		{"tmp0a_dpfn/80/13/" + basename, true},   // 7 characters
		{"tmp0a_dpfng/80/13/" + basename, false}, // 8: a temporary folder
		{"tmp0A_dpfng/80/13/" + basename, true},
		{".hidden/80/13/" + basename, false},
		{"./80/13/" + basename, false},
		{"../80/13/" + basename, false},
		{"/80/13/" + basename, false},
		{"//80/13/" + basename, false},
		{"80//13/" + basename, false},
		{"80/13//" + basename, false},
		{"80/13/./" + basename, false},
		{"a/../80/13/" + basename, false},
		{"80/13/" + basename + "/", false},
		{"a\x00b/80/13/" + basename, false},
		{"a\xffb/80/13/" + basename, false},
		{"/", false},
		{"", false},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			n, ok := ParsePath(tt.path)
			if ok != tt.ok {
				t.Fatalf("ParsePath(%q) = %+v, %v, want %v", tt.path, n, ok, tt.ok)
			}
			if ok {
				checkMethods(t, tt.path, n)
			} else if n != (Name{}) {
				t.Errorf("ParsePath(%q) fails with %+v", tt.path, n)
			}
		})
	}
}

// A build asks for thousands of names before it runs anything.
func TestLookupsDoNotAllocate(t *testing.T) {
	for _, f := range fixtures(t) {
		if n := testing.AllocsPerRun(10, func() {
			ParsePath(f.path)
			Classify(f.path)
			IsFolder(f.path)
		}); n != 0 {
			t.Errorf("%v allocations for %q", n, f.path)
		}
	}
}

func BenchmarkParsePath(b *testing.B) {
	b.ReportAllocs()
	p := "universal/80/13/" + basename
	for b.Loop() {
		if _, ok := ParsePath(p); !ok {
			b.Fatal(p)
		}
	}
}

func BenchmarkClassifyForeign(b *testing.B) {
	b.ReportAllocs()
	p := "universal/80/13/" + basename + ".partial"
	for b.Loop() {
		if k := Classify(p); k != Foreign {
			b.Fatal(k)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, x := range fixtures(f) {
		f.Add(x.path)
	}
	f.Fuzz(func(t *testing.T, p string) {
		n, ok := ParsePath(p)
		kind := Classify(p)
		if ok != (kind == Object) {
			t.Fatalf("ParsePath(%q) = %v, Classify = %v", p, ok, kind)
		}
		if ok && (n.Path() != p || path.Clean(p) != p || !IsFolder(n.Dir()) || len(n.Hash) < 4) {
			t.Fatalf("ParsePath(%q) = %+v, path %q", p, n, n.Path())
		}
		if ok && (n.Archive().Path() != ArchivePath(p) || IsTemporary(p)) {
			t.Fatalf("%q: archive %q, temporary %v", p, ArchivePath(p), IsTemporary(p))
		}
		if kind != Foreign && path.Clean("/"+p) != "/"+p {
			t.Fatalf("Classify(%q) = %v, not a clean path", p, kind)
		}
		if _, ok := ParseName(path.Base(p)); ok && strings.ContainsAny(path.Base(p), "/\x00\n") {
			t.Fatalf("ParseName(%q) accepts", path.Base(p))
		}
	})
}
