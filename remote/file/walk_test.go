package file

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"sstatefs/remote"
)

// What vanishes while it is listed is no empty remote.
func TestRootVanishesWhileListed(t *testing.T) {
	h := harness(t)
	d := h.Remote.(*Dir)
	create(t, d, key, "x")
	var show func()
	err := d.List(t.Context(), "", func(remote.Info) error {
		show = h.HideRoot(t)
		return nil
	})
	if !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("List = %v, want %v", err, remote.ErrUnavailable)
	}
	show()
}

// A fakeFolder gives its batches of names.
type fakeFolder [][]string

func (f *fakeFolder) ReadDir(int) (entries []os.DirEntry, err error) {
	if len(*f) == 0 {
		return nil, io.EOF
	}
	for _, name := range (*f)[0] {
		entries = append(entries, fakeEntry{name: name})
	}
	*f = (*f)[1:]
	return entries, nil
}

type fakeEntry struct {
	os.DirEntry
	name string
}

func (e fakeEntry) Name() string { return e.name }

func TestNamesComeOnce(t *testing.T) {
	var got []string
	err := eachBatch(t.Context(), &fakeFolder{{"a", "b", "a"}, {"c", "b"}, {"d"}}, func(entries []os.DirEntry) error {
		for _, e := range entries {
			got = append(got, e.Name())
		}
		return nil
	})
	if want := []string{"a", "b", "c", "d"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("eachBatch gives %q, %v, want %q", got, err, want)
	}
}
