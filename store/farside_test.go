package store

import (
	"context"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

func TestCacheRemembersWhatTheRemoteIs(t *testing.T) {
	t.Parallel()
	far := &farClock{Memory: remotetest.NewMemory(), learned: "v1 create=conditional"}
	opt := Options{Dir: t.TempDir(), Remote: far, Guard: quickGuard, MinFree: 1e-9}
	if o, err := Recall(opt.Dir); err != nil || o.Known || o.Learned != "" {
		t.Errorf("Recall of no cache = %+v, %v", o, err)
	}
	want := func(learned string) {
		t.Helper()
		o, err := Recall(opt.Dir)
		if err != nil || !o.Known || o.Identity != "memory" || o.Learned != learned {
			t.Errorf("Recall = %+v, %v, want Learned %q", o, err, learned)
		}
	}
	cycle := func(learned string) {
		t.Helper()
		s, err := Open(context.Background(), opt)
		if err != nil {
			t.Fatal(err)
		}
		far.learned = learned
		if _, err := s.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	s, err := Open(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	want("v1 create=conditional") // while it runs, not only at its end
	if _, err := s.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
	cycle("v1 create=conditional touch=copy")
	want("v1 create=conditional touch=copy")
	cycle("") // away: what was known stays
	want("v1 create=conditional touch=copy")
	cycle("two\nlines")
	want("v1 create=conditional touch=copy")
	if far.closed != 4 {
		t.Errorf("remote closed %d times, want once for each of 4 stores", far.closed)
	}
}

func TestStatusTellsAbilities(t *testing.T) {
	t.Parallel()
	far := &farClock{Memory: remotetest.NewMemory()}
	far.SetTraits(remote.Traits{NoList: true, Touch: remote.TouchNever})
	s, err := Open(context.Background(), Options{Dir: t.TempDir(), Remote: far, Guard: quickGuard, MinFree: 1e-9})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	st := s.Status().Remote
	if want := (RemoteTraits{NoList: true, Touch: "never"}); st.Traits != want {
		t.Errorf("traits = %+v, want %+v", st.Traits, want)
	}
	if want := (RemoteAbility{"touch", "copy", "each is a version"}); len(st.Abilities) != 1 || st.Abilities[0] != want {
		t.Errorf("abilities = %+v, want %+v", st.Abilities, want)
	}
	if got := AbilitiesOf(remotetest.NewMemory()); got == nil || len(got) != 0 {
		t.Errorf("abilities of what does not tell = %v, want an empty list", got)
	}
}
