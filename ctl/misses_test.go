package ctl

import (
	"testing"
	"time"

	"sstatefs/store"
)

// recordingStore remembers one miss.
type recordingStore struct {
	*fakeStore
	miss store.Miss
}

func (r recordingStore) Misses(t time.Time) []store.Miss {
	if r.miss.Published.Before(t) {
		return []store.Miss{}
	}
	return []store.Miss{r.miss}
}

func TestMisses(t *testing.T) {
	m := serveFakes(t)
	if _, err := m.client.Misses(testContext(t), time.Time{}); err == nil {
		t.Error("a store without a record: Misses() succeeded")
	}
	published := time.Unix(1_700_000_000, 123456789).UTC()
	want := store.Miss{Key: "ab/cd/sstate:x", Looked: published.Add(-time.Hour), Published: published}
	m.session.store = recordingStore{m.store, want}
	for _, test := range []struct {
		since time.Time
		found int
	}{
		{time.Time{}, 1},
		{published, 1},
		{published.Add(time.Nanosecond), 0},
	} {
		got, err := m.client.Misses(testContext(t), test.since)
		if err != nil || len(got) != test.found {
			t.Errorf("Misses(%v) = %v, %v, want %d", test.since, got, err, test.found)
			continue
		}
		if test.found > 0 && (got[0].Key != want.Key || !got[0].Published.Equal(published)) {
			t.Errorf("Misses(%v) = %v, want %v", test.since, got, want)
		}
	}
}
