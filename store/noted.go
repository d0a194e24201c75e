package store

import (
	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// noteOnRemote tells the index what the remote has.
func (s *Store) noteOnRemote(info remote.Info) {
	s.names.clearCorrupt(string(info.Key))
	if s.index != nil {
		s.index.put(info)
		return
	}
	if s.asked != nil {
		s.asked.put(info)
	}
	s.counted.add(1)
}

// noteFound tells the index what the remote has, which is not news to its count.
func (s *Store) noteFound(info remote.Info) {
	if s.index != nil {
		s.index.put(info)
	} else if s.asked != nil {
		s.asked.put(info)
	}
}

// noteGone tells the index what the remote has not.
func (s *Store) noteGone(key string) {
	if s.index != nil {
		s.index.drop(remote.Key(key))
		return
	}
	if s.asked != nil {
		s.asked.drop(remote.Key(key))
	}
	s.counted.add(-1)
}

// indexChanged acts on what a listing found: local copies of what is gone or
// replaced go too, unless the listing is doubtful.
func (s *Store) indexChanged(d delta) {
	doubted := s.index.doubted()
	for _, k := range append(d.removed, d.resized...) {
		if !doubted {
			s.dropObsolete(string(k))
		}
		s.changed(string(k))
	}
	for _, k := range d.added {
		s.changed(string(k))
	}
}

// dropObsolete drops the local copy of an object with its signature, unless it is what the remote
// has: it may have been published here since the listing, even sent.
func (s *Store) dropObsolete(key string) {
	if s.dropUnlessThere(key) {
		s.dropCachedSignature(key)
	}
}

// dropUnlessThere is dropObsolete without the signature. It reports whether it did.
func (s *Store) dropUnlessThere(key string) bool {
	unlock := s.keys.lock(key)
	defer unlock()
	var st unix.Statx_t
	if s.isOurs(key) || lstat(s.layout.object(key), &st) != nil {
		return false
	}
	far, ok := s.index.at(remote.Key(key))
	return (!ok || far.size != int64(st.Size)) && s.dropLocal(key)
}
