package store

import (
	"os"
	"testing"

	"sstatefs/remote"
)

// TestDraftWithoutRoom: a copy that could not be made is none, and what was being
// written stays what it was.
func TestDraftWithoutRoom(t *testing.T) {
	r := newRig(t, nil)
	key := testKey(1, "package") + ".siginfo"
	r.mem.Set(remote.Key(key), []byte("the whole content"))
	r.wantContent(key, "the whole content")
	fetch := r.layout.path("fetch")
	hide := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, empty := range []bool{true, false} {
		hide(fetch, fetch+".away")
		if d, err := r.EditDraft(t.Context(), key, empty); err == nil || d != nil {
			t.Errorf("EditDraft without room = %v, %v, want an error alone", d, err)
		}
		hide(fetch+".away", fetch)
	}

	fresh := testKey(2, "package") + ".siginfo"
	d, _, err := r.CreateDraft(fresh, false)
	if err != nil {
		t.Fatal(err)
	}
	content := r.mem.Snapshot()[remote.Key(key)]
	write := func(p string, off int64) error {
		_, err := d.WriteAt([]byte(p), off)
		return err
	}
	if err := write(string(content), 0); err != nil {
		t.Fatal(err)
	}
	d.dirty = false // as after a Flush that published it
	old := d.path
	d.path = ""
	hide(fetch, fetch+".away")
	if err := write("more", 0); err == nil {
		t.Error("WriteAt without room = nil")
	}
	hide(fetch+".away", fetch)
	if err := write("THE", 0); err != nil {
		t.Errorf("WriteAt with room again = %v", err)
	}
	got := make([]byte, len(content))
	if _, err := d.ReadAt(got, 0); err != nil || string(got) != "THE whole content" {
		t.Errorf("the draft holds %q, %v", got, err)
	}
	os.Remove(old)
	if _, err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
