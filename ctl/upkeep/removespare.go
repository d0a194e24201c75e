package upkeep

import (
	"context"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

// unused leaves out of a batch what was used, or replaced, since it was listed,
// and with it what was to go after it. It looks again where that costs
// microseconds; elsewhere a batch is seconds old at the most.
func (q *removeQueue) unused(ctx context.Context, batch []remote.Info) []remote.Info {
	if q.events.spared == nil || !q.t.Traits().CheapStat {
		return batch
	}
	used := make([]bool, len(batch))
	var group errgroup.Group
	group.SetLimit(refreshers)
	for i, info := range batch {
		group.Go(func() error {
			used[i] = q.t.moved(ctx, info)
			for _, other := range q.rests[info.Key].rest {
				used[i] = used[i] || q.t.moved(ctx, other)
			}
			return nil
		})
	}
	_ = group.Wait()
	left := batch[:0]
	for i, info := range batch {
		if used[i] {
			q.spare(info)
		} else {
			left = append(left, info)
		}
	}
	return left
}

// moved tells that an object is there and not as it was listed.
func (t *Target) moved(ctx context.Context, listed remote.Info) bool {
	now, err := t.Stat(ctx, listed.Key)
	return err == nil && (now.Size != listed.Size || !now.ModTime.Equal(listed.ModTime))
}

// spare leaves an object where it is.
func (q *removeQueue) spare(info remote.Info) {
	r := q.rests[info.Key]
	delete(q.rests, info.Key)
	q.events.spared(info)
	for _, other := range r.rest {
		q.events.spared(other)
	}
}
