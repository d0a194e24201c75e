package upkeep_test

import (
	"context"
	"testing"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

// TestFeedIsNoObject: parts of the change feed go with the clean that comes when
// no mount relies on them any more, and no verb takes them for objects.
func TestFeedIsNoObject(t *testing.T) {
	b := newBucket(t)
	old := remote.Key("sstatefs-feed/1-1435/sstate:feed:20261116T1435:part:0123456789abcdef")
	young := remote.Key("sstatefs-feed/6-1435/sstate:feed:20261121T1435:bundle:0000-0123456789abcdef")
	b.Set(old, []byte("x"))
	b.Set(young, []byte("x"))
	for k, days := range map[remote.Key]int{old: 5, young: 3} {
		if err := b.Touch(context.Background(), k, b.target.Now().AddDate(0, 0, -days)); err != nil {
			t.Fatal(err)
		}
	}
	b.age(key("zlib", hashA, pkg), day, 7)

	info, err := upkeep.Info(t.Context(), b.target, upkeep.InfoOptions{}, func(upkeep.Progress) {})
	if err != nil || info.Total.Objects != 1 || info.Leftovers.Foreign.Objects != 0 {
		t.Errorf("info %+v, %v, want one object and nothing foreign", info, err)
	}
	result, err := upkeep.Clean(t.Context(), b.target, upkeep.CleanOptions{MaxAge: 30 * day}, func(upkeep.Progress) {})
	if err != nil || result.Removed.Leftovers.Objects != 1 || result.Removed.Total.Objects != 1 {
		t.Errorf("clean removed %+v, %v, want the old part", result.Removed, err)
	}
	left := b.Snapshot()
	if _, there := left[old]; there {
		t.Error("the old part is there")
	}
	if _, there := left[young]; !there {
		t.Error("the young bundle is gone")
	}
}
