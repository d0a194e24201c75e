package siginfo

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"sstatefs/sstate"
)

// fixtureSets are the archives in testdata.
var fixtureSets = []string{"synthetic", "bitbake-2.19", "bitbake-2.0", "bitbake-1.46"}

// fixtures are the files of one archive, by their paths below its folder.
type fixtures map[string][]byte

func loadFixtures(t testing.TB, name string) fixtures {
	t.Helper()
	packed, err := os.ReadFile("testdata/" + name + ".tar.zst")
	if err != nil {
		t.Fatal(err)
	}
	content, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	files := fixtures{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(header.Name, name+"/")] = text
	}
}

// fixtureCase is one of cases.json.
type fixtureCase struct {
	Name, Before, After, Dump string
	Recursive                 bool
}

func (f fixtures) cases(t testing.TB) []fixtureCase {
	t.Helper()
	var cases []fixtureCase
	if err := json.Unmarshal(f["cases.json"], &cases); err != nil || len(cases) == 0 {
		t.Fatalf("cases.json: %v, %d cases", err, len(cases))
	}
	return cases
}

func (f fixtures) signature(t testing.TB, name string) *Signature {
	t.Helper()
	content, there := f[name]
	if !there {
		t.Fatalf("no file %s", name)
	}
	s, err := Read(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("Read(%s): %v", name, err)
	}
	return s
}

// expected is the text of a case: that of BitBake 2.19 where there are more,
// that with sorted sets where there are two. ok is false when there is none.
func (f fixtures) expected(stem string) (text string, ok bool) {
	for _, end := range []string{".as-2.19.norm.txt", ".as-2.19.txt", ".norm.txt", ".txt"} {
		if text, ok := f["expected/"+stem+end]; ok {
			// BitBake 2.0 shortens the paths of recipes, today's does not.
			return strings.ReplaceAll(string(text), " recipes/", " /srv/yp/fx/layer/recipes/"), true
		}
	}
	return "", false
}

// folderFinder finds the signatures of some folders of a set.
type folderFinder struct {
	files   fixtures
	folders []string
}

func (f folderFinder) Find(_ context.Context, key, hash string) (*Signature, error) {
	dep, ok := ParseDep(key)
	if !ok {
		return nil, nil
	}
	for name, content := range f.files {
		for _, folder := range f.folders {
			below, is := strings.CutPrefix(name, folder+"/")
			n, object := sstate.ParsePath(below)
			if is && object && n.Side == sstate.SideSiginfo && n.PN == dep.PN && n.Task == dep.Task && n.Hash == hash {
				return Read(bytes.NewReader(content))
			}
		}
	}
	return nil, nil
}

// printed is how lines are printed.
func printed(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// In 2.0 and 1.46 the colours are those of other sentences: no case has them.
func hasColors(set string) bool { return set == "synthetic" || set == "bitbake-2.19" }

func TestFixtures(t *testing.T) {
	for _, set := range fixtureSets {
		files := loadFixtures(t, set)
		for _, c := range files.cases(t) {
			if c.Dump != "" {
				t.Run(set+"/dump/"+c.Name, func(t *testing.T) { files.checkDump(t, c) })
				continue
			}
			t.Run(set+"/"+c.Name, func(t *testing.T) { files.checkCase(t, set, c) })
		}
	}
}

func (f fixtures) checkDump(t *testing.T, c fixtureCase) {
	want, ok := f.expected(c.Name)
	if !ok {
		t.Fatalf("no expected text")
	}
	if got := printed(f.signature(t, c.Dump).Dump()); got != want {
		t.Errorf("Dump() =\n%s\nwant\n%s", got, want)
	}
}

func (f fixtures) checkCase(t *testing.T, set string, c fixtureCase) {
	a, b := f.signature(t, c.Before), f.signature(t, c.After)
	finder := folderFinder{f, []string{firstFolder(c.Before), firstFolder(c.After)}}
	checked := 0
	check := func(kind string, style Style, o Options) {
		want, ok := f.expected(c.Name + "." + kind)
		if !ok {
			return
		}
		checked++
		result, err := Compare(context.Background(), a, b, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := printed(result.Lines(style)); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", kind, got, want)
		}
	}
	check("norec.plain", Plain, Options{})
	check("norec.collapsed", Plain, Options{Collapsed: true})
	if hasColors(set) {
		check("norec.color", Colored, Options{})
		check("rec.color", Colored, Options{Finder: finder})
	}
	if c.Recursive {
		check("rec.plain", Plain, Options{Finder: finder})
	}
	if checked == 0 && c.Name != "ignore-tasks-both" {
		t.Error("nothing was checked")
	}
}

func firstFolder(name string) string {
	folder, _, _ := strings.Cut(name, "/")
	return path.Clean(folder)
}
