package store

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"sstatefs/remote"
)

// Recall tells what a cache directory remembers of its remote, for whoever
// opens that: Known, Identity and Learned. All of it is empty for a directory
// that is no cache yet.
func Recall(dir string) (remote.OpenOptions, error) {
	l := layout{dir}
	if err := l.checkOwners(uint32(os.Getuid())); err != nil {
		return remote.OpenOptions{}, err
	}
	id, err := l.readFormat()
	if errors.Is(err, errNoFormat) {
		return remote.OpenOptions{}, nil
	}
	if err != nil {
		return remote.OpenOptions{}, err
	}
	return remote.OpenOptions{Known: true, Identity: id.root, Learned: l.readLearned()}, nil
}

// readLearned is empty when nothing is known: the backend then tries again.
func (l layout) readLearned() string {
	text, err := os.ReadFile(l.path("learned"))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

// saveLearned keeps what the backend has found out since the last call. What
// was known once stays known while the remote is away. It is called by one
// goroutine at a time: Open, then housekeep, then Close.
func (s *Store) saveLearned() {
	learner, ok := s.opt.Remote.(remote.Learner)
	if !ok {
		return
	}
	text := learner.Learned()
	if text == "" || text == s.learned || strings.Contains(text, "\n") {
		return
	}
	if err := writeFileAtomic(s.layout.path("learned"), []byte(text+"\n")); err != nil {
		s.quiet.warn("what was found out about the remote is not saved", "error", err)
		return
	}
	s.learned = text
}

// remoteNow is the time by the remote's clock, as far as that is known: ages
// of its objects are measured with it.
func (s *Store) remoteNow() time.Time {
	t, _ := s.farNow()
	return t
}

// farNow is remoteNow, and whether the remote's clock is known.
func (s *Store) farNow() (time.Time, bool) {
	offset, known := s.farOffset()
	return s.now().Add(offset), known
}

// clockOffset is the remote's time minus ours, 0 if unknown.
func (s *Store) clockOffset() time.Duration {
	offset, _ := s.farOffset()
	return offset
}

func (s *Store) farOffset() (offset time.Duration, known bool) {
	clock, ok := s.opt.Remote.(remote.Clock)
	if !ok {
		return 0, false
	}
	if offset, known = clock.Offset(); !known {
		return 0, false
	}
	return offset, true
}

// announce logs, once, what this remote cannot do that a site may count on.
func (s *Store) announce() {
	if s.opt.ReadOnly {
		return
	}
	switch {
	case s.traits.ReadOnly:
		s.log.Warn("the remote takes no changes: what is published and removed stays in the cache directory")
	case s.traits.Touch == remote.TouchNever:
		s.log.Warn("times on the remote cannot be refreshed: cleaning by age would remove what is in use")
	}
}

func (s *Store) closeRemote() error {
	if closer, ok := s.opt.Remote.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// TraitsOf are the traits of a remote as a status shows them.
func TraitsOf(r remote.Remote) RemoteTraits {
	t := r.Traits()
	touch := "server"
	switch t.Touch {
	case remote.TouchByPut:
		touch = "put"
	case remote.TouchNever:
		touch = "never"
	}
	return RemoteTraits{
		ReadOnly: t.ReadOnly, NoList: t.NoList, ListPerFolder: t.ListPerFolder,
		AtomicCreate: t.AtomicCreate, Touch: touch,
	}
}

// AbilitiesOf are the abilities of a remote as a status shows them, none if it
// does not tell.
func AbilitiesOf(r remote.Remote) []RemoteAbility {
	all := []RemoteAbility{}
	if d, ok := r.(remote.Describer); ok {
		for _, a := range d.Abilities() {
			all = append(all, RemoteAbility(a))
		}
	}
	return all
}
