package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// unpackSignatures unpacks an archive of sstate/siginfo/testdata and returns
// its folder.
func unpackSignatures(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "sstate", "siginfo", "testdata", name+".tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	dir := t.TempDir()
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return filepath.Join(dir, name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			unpackFile(t, filepath.Join(dir, header.Name), archive)
		}
	}
}

func unpackFile(t *testing.T, path string, from io.Reader) {
	t.Helper()
	content, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// output runs the program and returns its stdout.
func output(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{stdout: &stdout, stderr: &stderr}
	if code := p.run(args); code != 0 || stderr.Len() > 0 {
		t.Errorf("sstatefs %s: exit code %d, %s", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.String()
}

// signatureCase is one of cases.json: two files to compare, or one to dump.
type signatureCase struct {
	Name, Before, After, Dump string
}

// The program prints what BitBake 2.19 printed, byte for byte; sets are sorted.
func TestSignaturesLikeBitBake(t *testing.T) {
	for _, set := range []string{"synthetic", "bitbake-2.19", "bitbake-2.0", "bitbake-1.46"} {
		dir := unpackSignatures(t, set)
		text, err := os.ReadFile(filepath.Join(dir, "cases.json"))
		if err != nil {
			t.Fatal(err)
		}
		var cases []signatureCase
		if err := json.Unmarshal(text, &cases); err != nil {
			t.Fatal(err)
		}
		checked := 0
		for _, c := range cases {
			for kind, args := range c.commands(dir, set) {
				want, there := expectedText(filepath.Join(dir, "expected", c.Name+kind))
				if !there {
					continue
				}
				checked++
				if got := output(t, args...); got != want {
					t.Errorf("%s: %s:\n%s\nwant\n%s", set, strings.Join(args, " "), got, want)
				}
			}
		}
		if checked < len(cases)-1 { // one has no text: BitBake fails there
			t.Errorf("%s: %d texts for %d cases", set, checked, len(cases))
		}
	}
}

// commands are the arguments for each kind of text a case may have.
func (c signatureCase) commands(dir, set string) map[string][]string {
	if c.Dump != "" {
		return map[string][]string{"": {"dumpsig", filepath.Join(dir, c.Dump)}}
	}
	a, b := filepath.Join(dir, c.Before), filepath.Join(dir, c.After)
	commands := map[string][]string{
		".norec.plain":     {"diffsigs", "--no-recurse", a, b},
		".norec.collapsed": {"diffsigs", "--no-recurse", "--collapsed", a, b},
	}
	if set == "bitbake-2.0" || set == "bitbake-1.46" {
		return commands // the rest is in the words of old versions
	}
	commands[".norec.color"] = []string{"diffsigs", "--no-recurse", "--color=always", a, b}
	commands[".rec.plain"] = []string{"diffsigs", a, b}
	commands[".rec.color"] = []string{"diffsigs", "--color=always",
		"--search", firstFolder(dir, c.Before), "--search", firstFolder(dir, c.After), a, b}
	return commands
}

// firstFolder is the sstate directory of a case's file.
func firstFolder(dir, name string) string {
	folder, _, _ := strings.Cut(name, "/")
	return filepath.Join(dir, folder)
}

// expectedText is that of BitBake 2.19, with sorted sets.
func expectedText(stem string) (text string, there bool) {
	for _, end := range []string{".as-2.19.norm.txt", ".as-2.19.txt", ".norm.txt", ".txt"} {
		if text, err := os.ReadFile(stem + end); err == nil {
			return string(text), true
		}
	}
	return "", false
}
