package remotetest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"sstatefs/remote"
)

// List see remote.Remote.
func (m *Memory) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	if err := m.listable(ctx, "list"); err != nil {
		return err
	}
	return m.infos(ctx, prefix, isObject, fn)
}

// Leftovers see remote.LeftoverLister.
func (m *Memory) Leftovers(ctx context.Context, fn func(remote.Info) error) error {
	if err := m.listable(ctx, "leftovers"); err != nil {
		return err
	}
	return m.infos(ctx, "", remote.Key.IsTemporary, fn)
}

func (m *Memory) infos(ctx context.Context, prefix string, want func(remote.Key) bool, fn func(remote.Info) error) error {
	for _, key := range m.keysBelow(prefix) {
		if !want(key) {
			continue
		}
		if err := m.enter(ctx, "item", key); err != nil {
			return err
		}
		m.mu.Lock()
		o, there := m.objects[key]
		m.mu.Unlock()
		if !there {
			continue
		}
		if err := fn(remote.Info{Key: key, Size: int64(len(o.content)), ModTime: o.time}); err != nil {
			return err
		}
	}
	return m.leave("list", remote.Key(prefix))
}

// Folders see remote.FolderLister.
func (m *Memory) Folders(ctx context.Context, prefix string, fn func(remote.Folder) error) error {
	if err := m.listable(ctx, "folders"); err != nil {
		return err
	}
	for _, f := range m.foldersIn(prefix) {
		if err := m.enter(ctx, "item", remote.Key(f.Name)); err != nil {
			return err
		}
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

// Names see remote.NameLister.
func (m *Memory) Names(ctx context.Context, prefix string, fn func(name string, folder bool) error) error {
	if err := m.listable(ctx, "names"); err != nil {
		return err
	}
	m.mu.Lock()
	_, there := m.folders[prefix]
	m.mu.Unlock()
	if !there {
		return fail("names", remote.Key(prefix), remote.ErrNotExist)
	}
	for _, f := range m.foldersIn(prefix) {
		if err := fn(f.Name, true); err != nil {
			return err
		}
	}
	for _, key := range m.keysBelow(prefix) {
		folder, base := key.Split()
		if folder != prefix || !isObject(key) {
			continue
		}
		if err := fn(base, false); err != nil {
			return err
		}
	}
	return nil
}

// MakeFolder makes an empty folder and those above it.
func (m *Memory) MakeFolder(folder string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for folder != "" {
		m.folders[folder] = m.now()
		folder, _ = remote.Key(folder).Split()
	}
}

func (m *Memory) listable(ctx context.Context, op string) error {
	if err := m.enter(ctx, op, ""); err != nil {
		return err
	}
	if m.Traits().NoList {
		return fail(op, "", remote.ErrUnsupported)
	}
	return nil
}

func (m *Memory) foldersIn(prefix string) []remote.Folder {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []remote.Folder
	for _, name := range slices.Sorted(maps.Keys(m.folders)) {
		parent, base := remote.Key(name).Split()
		if name != "" && parent == prefix {
			found = append(found, remote.Folder{Name: base, ModTime: m.folders[name]})
		}
	}
	return found
}

// isObject is the rule by which backends tell objects from other names; the
// store knows the grammar.
func isObject(key remote.Key) bool {
	_, base := key.Split()
	return strings.HasPrefix(base, "sstate:")
}
