package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// goods are the contents of files by key.
type goods map[string]string

// keys are sorted.
func (g goods) keys() []string { return slices.Sorted(maps.Keys(g)) }

// bytes is the size of some of them.
func (g goods) bytes(keys ...string) int64 {
	n := 0
	for _, key := range keys {
		n += len(g[key])
	}
	return int64(n)
}

// without are all keys but some.
func (g goods) without(keys ...string) []string {
	return slices.DeleteFunc(g.keys(), func(key string) bool { return slices.Contains(keys, key) })
}

// pick are those of some keys.
func (g goods) pick(keys ...string) goods {
	some := goods{}
	for _, key := range keys {
		some[key] = g[key]
	}
	return some
}

// write makes files of them below a folder.
func (g goods) write(t *testing.T, dir string) {
	t.Helper()
	for key, content := range g {
		replacePlain(t, filepath.Join(dir, key), content)
	}
}

// parcel adds an archive with some of its companions: ".siginfo", ".sig".
func (g goods) parcel(t *testing.T, key string, size int, sides ...string) {
	t.Helper()
	g[key] = tarball(t, size)
	for _, side := range sides {
		g[key+side] = "signature of " + key
		if side == ".siginfo" {
			g[key+side] = sigfile(t, "V", key)
		}
	}
}

// tarball is a whole archive of about that many bytes, which do not compress.
func tarball(t *testing.T, size int) string {
	t.Helper()
	payload := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)})
	random.Read(payload)
	var out bytes.Buffer
	packer, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewWriter(packer)
	err = files.WriteHeader(&tar.Header{Name: "payload", Mode: 0o644, Size: int64(size)})
	if err == nil {
		_, err = files.Write(payload)
	}
	for _, end := range []func() error{files.Close, packer.Close} {
		if err == nil {
			err = end()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// sigfile is a signature of a task with one variable. Its hashes are what
// BitBake computes: basehash over the task's code and the variable, taskhash
// over that.
func sigfile(t *testing.T, name, value string) string {
	t.Helper()
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	none := map[string][]string{"_set_object": {}}
	base := hash("body" + name + value)
	text, err := json.Marshal(map[string]any{
		"task": "do_package", "basehash_ignore_vars": none, "taskhash_ignore_tasks": nil, "taskdeps": []string{name},
		"basehash": base, "gendeps": map[string]any{name: none}, "varvals": map[string]string{"do_package": "body", name: value},
		"runtaskdeps": []string{}, "file_checksum_values": []string{}, "runtaskhashes": map[string]string{}, "taskhash": hash(base),
	})
	if err != nil {
		t.Fatal(err)
	}
	packer, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(packer.EncodeAll(text, nil))
}

// stampsOf makes the stamps of a build that used an object.
func (s *site) stampsOf(recipe, hash string) string {
	s.t.Helper()
	dir := s.mkdir("stamps", 0o755)
	file := filepath.Join(dir, "core2-64-poky-linux", recipe, "1.3+git0-r0.do_package_setscene."+hash)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
	return dir
}
