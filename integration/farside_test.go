package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sstatefs/integration/servers"
	"sstatefs/remote"
)

// What follows is done to the remote by somebody else: another tool, or the
// administrator of the server.

// far is the path of an object's plain file.
func (s *site) far(key string) string {
	s.t.Helper()
	if s.remote == "" {
		s.t.Fatalf("%s has no plain files", s.place.name)
	}
	return filepath.Join(s.remote, key)
}

// put stores an object, which appears whole.
func (s *site) put(key, content string) {
	s.t.Helper()
	switch {
	case s.root == nil:
		replacePlain(s.t, s.far(key), content)
	case s.root.Data == "":
		s.root.Put(s.t, key, []byte(content))
	default:
		s.root.Write(s.t, key, []byte(content))
	}
}

// replacePlain writes a file of a directory, as rsync does.
func replacePlain(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o775); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o664); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// fill builds archives and signatures elsewhere and puts them. It returns their
// sums.
func (s *site) fill(keys ...string) map[string]string {
	s.t.Helper()
	dir := s.mkdir("samples", 0o755)
	made := s.build("archive", dir, keys).acknowledged()
	for _, key := range keys {
		content, err := os.ReadFile(filepath.Join(dir, key))
		if err != nil {
			s.t.Fatal(err)
		}
		s.put(key, string(content))
	}
	return made
}

// drop removes an object.
func (s *site) drop(keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		if s.remote == "" {
			s.root.Remove(s.t, key)
		} else if err := os.Remove(s.far(key)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// sum is the sha256 of an object, or why there is none.
func (s *site) sum(key string) string {
	s.t.Helper()
	if s.remote != "" {
		return sum(s.far(key))
	}
	content, ok := s.root.Get(s.t, key)
	if !ok {
		return "not there"
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// has tells whether an object is there.
func (s *site) has(key string) bool {
	s.t.Helper()
	if s.remote == "" {
		_, ok := s.root.Get(s.t, key)
		return ok
	}
	_, err := os.Lstat(s.far(key))
	return err == nil
}

// names lists what there is, whatever its name.
func (s *site) names() []string {
	s.t.Helper()
	if s.remote == "" {
		return s.root.List(s.t)
	}
	if _, err := os.Lstat(s.remote); os.IsNotExist(err) && s.place.kind.IsS3() {
		return nil // a prefix goes with its last object
	}
	return slices.DeleteFunc(files(s.t, s.remote), s.isServersOwn)
}

// isServersOwn tells a file that nobody published and that comes and goes with
// the server's work. A web server's scratch folder is there for a second after
// the first touch. Apache writes what is PUT to .davfs.tmpXXXXXX beside the name
// (mod_dav_fs, dav_fs_open_stream) and removes that when it has noticed that the
// connection broke, or never if its worker was ended by then.
func (s *site) isServersOwn(name string) bool {
	if s.place.kind == "" {
		return false
	}
	top, _, below := strings.Cut(name, "/")
	return name == stayer || below && remote.IsTemporary(top) || strings.HasPrefix(path.Base(name), ".davfs.tmp")
}

// stayer keeps a folder from being empty. Its name is that of a temporary: no
// mount shows it.
const stayer = ".sstatefs-0000000000000000"

// forSeveral readies the remote for several hosts that start at once. rclone
// removes a folder with its last file, and may refuse or forget one that comes at
// that moment (docs/OPERATIONS.md).
func (s *site) forSeveral() {
	s.t.Helper()
	if s.place.kind == servers.RcloneS3 {
		replacePlain(s.t, s.far(stayer), "")
	}
}

// plain is a folder with all that the remote holds: the remote itself where it
// is one.
func (s *site) plain() string {
	s.t.Helper()
	if s.remote != "" {
		return s.remote
	}
	dir := s.mkdir("plain", 0o775)
	for _, name := range s.names() {
		content, _ := s.root.Get(s.t, name)
		replacePlain(s.t, filepath.Join(dir, name), string(content))
	}
	return dir
}

// shares checks that the remote holds all of want, byte for byte, and nothing
// else.
func (s *site) shares(want map[string]string) {
	s.t.Helper()
	s.sharesAll(want)
	for _, name := range s.names() {
		if want[name] == "" {
			s.t.Errorf("%s: holds %s, which nobody published", s.place.name, name)
		}
	}
}

// sharesAll checks that the remote holds all of want, byte for byte.
func (s *site) sharesAll(want map[string]string) {
	s.t.Helper()
	mustBe(s.t, s.place.name, want, s.sum)
}

// usedAt is when an object was last used, as other hosts see it, in whole
// seconds or better.
func (s *site) usedAt(key string) time.Time {
	s.t.Helper()
	if s.root != nil {
		return s.root.ModTime(s.t, key)
	}
	return time.Unix(0, stamp(s.t, s.far(key)))
}

// age makes objects look as if they were last used some time ago.
func (s *site) age(keys []string, by time.Duration) {
	s.t.Helper()
	then := time.Now().Add(-by)
	for _, key := range keys {
		if err := os.Chtimes(s.far(key), then, then); err != nil {
			s.t.Fatal(err)
		}
	}
}

// give lets a user write to the remote. A server asks nobody who it is.
func (s *site) give(uid int) {
	s.t.Helper()
	if s.server == nil {
		s.own(uid, "remote")
	}
}

// hide makes the remote disappear: a directory is renamed, a server stopped.
func (s *site) hide() {
	s.t.Helper()
	if s.server != nil {
		s.server.Stop()
	} else if err := os.Rename(s.remote, s.path("away")); err != nil {
		s.t.Fatal(err)
	}
}

// show ends hide.
func (s *site) show() {
	s.t.Helper()
	if s.server != nil {
		s.server.Restart()
	} else if err := os.Rename(s.path("away"), s.remote); err != nil {
		s.t.Fatal(err)
	}
}
