package remotetest

import (
	"context"
	"time"

	"sstatefs/remote"
)

var (
	_ remote.Sweeper = (*Memory)(nil)
	_ remote.Clock   = (*Memory)(nil)
)

// Sweep see remote.Sweeper. The folder that comes is the operation "folder".
func (m *Memory) Sweep(ctx context.Context, fn func(folder string, files []remote.Info) error) error {
	if err := m.listable(ctx, "sweep"); err != nil {
		return err
	}
	byFolder := make(map[string][]remote.Key)
	var order []string
	for _, key := range m.keysBelow("") {
		folder, _ := key.Split()
		if byFolder[folder] == nil {
			order = append(order, folder)
		}
		byFolder[folder] = append(byFolder[folder], key)
	}
	for _, folder := range order {
		if err := m.enter(ctx, "folder", remote.Key(folder)); err != nil {
			return err
		}
		if files := m.infosOf(byFolder[folder]); len(files) > 0 {
			if err := fn(folder, files); err != nil {
				return err
			}
		}
	}
	return m.leave("sweep", "")
}

// infosOf describes what is left of keys.
func (m *Memory) infosOf(keys []remote.Key) (infos []remote.Info) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		if o, there := m.objects[key]; there {
			infos = append(infos, remote.Info{Key: key, Size: int64(len(o.content)), ModTime: o.time})
		}
	}
	return infos
}

// Offset tells how far the clock of SetClock is ahead of this host's.
func (m *Memory) Offset() (time.Duration, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Until(m.now()), true
}
