package remote_test

import (
	"context"
	"errors"
	"testing"

	"sstatefs/remote"
)

// An error of fn ends the search and is told from the search's own.
func TestGather(t *testing.T) {
	broken, enough := errors.New("broken"), errors.New("enough")
	for _, test := range []struct {
		name             string
		finds            int   // batches of two
		failure          error // of the search after them
		stop             int   // objects after which fn has enough, 0 for never
		seen             int
		wantErr, wantOwn error
	}{
		{name: "nothing"},
		{name: "all", finds: 100, seen: 200},
		{name: "failure", finds: 3, failure: broken, seen: 6, wantErr: broken},
		{name: "enough", finds: 100, stop: 3, seen: 3, wantErr: context.Canceled, wantOwn: enough},
	} {
		seen := 0
		err, own := remote.Gather(t.Context(), func(remote.Info) error {
			if seen++; seen == test.stop {
				return enough
			}
			return nil
		}, func(_ context.Context, hand func([]remote.Info) error) error {
			for range test.finds {
				if err := hand(make([]remote.Info, 2)); err != nil {
					return err
				}
			}
			return test.failure
		})
		if seen != test.seen || !errors.Is(err, test.wantErr) || !errors.Is(own, test.wantOwn) {
			t.Errorf("%s: %d objects, %v, %v, want %d, %v, %v", test.name, seen, err, own, test.seen, test.wantErr, test.wantOwn)
		}
	}
}
