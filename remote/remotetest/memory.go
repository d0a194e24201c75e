package remotetest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sstatefs/remote"
)

// Memory is a Remote in this process that keeps every promise, until it is
// told not to: see Fail, Hang, Delay, Short and Mangle. Operations are named
// "stat", "get", "read" (once per Read of a body), "put", "commit" (of a Put,
// after the source was read), "touch", "delete", "list", "item" (per item of a
// listing), "folders", "names", "leftovers" and "probe".
type Memory struct {
	faults

	mu      sync.Mutex
	traits  remote.Traits
	now     func() time.Time
	objects map[remote.Key]object
	folders map[string]time.Time // of every folder that exists
	in, out int64
}

type object struct {
	content []byte
	time    time.Time
}

var (
	_ remote.Remote         = (*Memory)(nil)
	_ remote.FolderLister   = (*Memory)(nil)
	_ remote.NameLister     = (*Memory)(nil)
	_ remote.LeftoverLister = (*Memory)(nil)
	_ remote.Prober         = (*Memory)(nil)
)

// NewMemory gives an empty one that lists, creates atomically and has no cheap
// Stat.
func NewMemory() *Memory {
	return &Memory{
		traits:  remote.Traits{AtomicCreate: true, Identity: "memory"},
		now:     time.Now,
		objects: make(map[remote.Key]object),
		folders: map[string]time.Time{"": time.Now()},
	}
}

// SetTraits replaces the traits. ReadOnly and NoList are obeyed.
func (m *Memory) SetTraits(t remote.Traits) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.traits = t
}

// SetClock replaces the remote's clock.
func (m *Memory) SetClock(now func() time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

// Set makes an object with the present time, as another host would.
func (m *Memory) Set(key remote.Key, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.setLocked(key, slices.Clone(content))
}

// Remove removes an object, as another host would.
func (m *Memory) Remove(key remote.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removeLocked(key)
}

// Snapshot gives a copy of all there is.
func (m *Memory) Snapshot() map[remote.Key][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[remote.Key][]byte, len(m.objects))
	for key, o := range m.objects {
		all[key] = slices.Clone(o.content)
	}
	return all
}

// Bytes tells how much was put in and got out.
func (m *Memory) Bytes() (in, out int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.in, m.out
}

// Traits are those of SetTraits.
func (m *Memory) Traits() remote.Traits {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.traits
}

func (m *Memory) String() string { return "memory" }

// Probe succeeds unless it was told otherwise.
func (m *Memory) Probe(ctx context.Context) error { return m.enter(ctx, "probe", "") }

// Stat see remote.Remote.
func (m *Memory) Stat(ctx context.Context, key remote.Key) (remote.Info, error) {
	if err := m.enter(ctx, "stat", key); err != nil {
		return remote.Info{}, err
	}
	o, err := m.find("stat", key)
	if err != nil {
		return remote.Info{}, err
	}
	return remote.Info{Key: key, Size: int64(len(o.content)), ModTime: o.time}, m.leave("stat", key)
}

// Put see remote.Remote.
func (m *Memory) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	if err := m.change(ctx, "put", key); err != nil {
		return err
	}
	if key.IsTemporary() {
		return fail("put", key, remote.ErrUnsupported)
	}
	body, err := src.Open()
	if err != nil {
		return fail("put", key, remote.ErrCorrupt)
	}
	defer body.Close()
	var content bytes.Buffer
	if err := remote.Copy(ctx, &content, body, src.Size()); err != nil {
		if ended := remote.Ended(ctx, "memory: put", key); ended != nil {
			return ended
		}
		return fail("put", key, err)
	}
	if err := m.enter(ctx, "commit", key); err != nil {
		return err
	}
	if err := m.commit(key, content.Bytes(), opt); err != nil {
		return err
	}
	return m.leave("put", key)
}

func (m *Memory) commit(key remote.Key, content []byte, opt remote.PutOptions) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, there := m.objects[key]
	if there && opt.Create {
		return fail("put", key, remote.ErrExist)
	}
	if opt.Refresh && (!there || len(o.content) != len(content)) {
		return fail("put", key, remote.ErrNotExist)
	}
	m.in += int64(len(content))
	m.setLocked(key, content)
	return nil
}

// Touch see remote.Remote.
func (m *Memory) Touch(ctx context.Context, key remote.Key, t time.Time) error {
	if err := m.change(ctx, "touch", key); err != nil {
		return err
	}
	m.mu.Lock()
	o, err := m.findLocked("touch", key)
	if err == nil {
		if t.IsZero() {
			t = m.now()
		}
		o.time = t
		m.objects[key] = o
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.leave("touch", key)
}

// Delete see remote.Remote.
func (m *Memory) Delete(ctx context.Context, keys ...remote.Key) error {
	if err := m.change(ctx, "delete", keys...); err != nil {
		return err
	}
	m.mu.Lock()
	for _, key := range keys {
		m.removeLocked(key)
	}
	m.mu.Unlock()
	return m.leave("delete", "")
}

// change is enter for what a read-only remote refuses.
func (m *Memory) change(ctx context.Context, op string, keys ...remote.Key) error {
	key := remote.Key("")
	if len(keys) == 1 {
		key = keys[0]
	}
	if err := m.enter(ctx, op, key); err != nil {
		return err
	}
	if m.Traits().ReadOnly || slices.ContainsFunc(keys, func(k remote.Key) bool { return !k.Valid() }) {
		return fail(op, key, remote.ErrUnsupported)
	}
	return nil
}

func (m *Memory) find(op string, key remote.Key) (object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.findLocked(op, key)
}

func (m *Memory) findLocked(op string, key remote.Key) (object, error) {
	if !key.Valid() {
		return object{}, fail(op, key, remote.ErrUnsupported)
	}
	o, ok := m.objects[key]
	if !ok || key.IsTemporary() {
		return object{}, fail(op, key, remote.ErrNotExist)
	}
	return o, nil
}

func (m *Memory) setLocked(key remote.Key, content []byte) {
	now := m.now()
	_, there := m.objects[key]
	m.objects[key] = object{content, now}
	folder, _ := key.Split()
	for name := folder; !there; name, _ = remote.Key(name).Split() {
		_, known := m.folders[name]
		m.folders[name] = now
		if known {
			return
		}
	}
}

func (m *Memory) removeLocked(key remote.Key) {
	if _, there := m.objects[key]; !there {
		return
	}
	delete(m.objects, key)
	folder, _ := key.Split()
	for folder != "" && !m.usedLocked(folder) {
		delete(m.folders, folder)
		folder, _ = remote.Key(folder).Split()
	}
	m.folders[folder] = m.now()
}

// usedLocked tells whether anything is below a folder.
func (m *Memory) usedLocked(folder string) bool {
	for key := range m.objects {
		if strings.HasPrefix(string(key), folder+"/") {
			return true
		}
	}
	for name := range m.folders {
		if strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	return false
}

// keysBelow gives the sorted keys of a folder and all below it.
func (m *Memory) keysBelow(prefix string) []remote.Key {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.Sorted(maps.Keys(m.objects))
	if prefix == "" {
		return keys
	}
	return slices.DeleteFunc(keys, func(k remote.Key) bool { return !strings.HasPrefix(string(k), prefix+"/") })
}
