package remote

import "context"

// gatherRoom is how many batches wait for the caller of Gather.
const gatherRoom = 16

// Gather runs a listing whose goroutines find objects, and calls fn in the
// caller's goroutine with what they hand over. find returns when all of them
// have ended. An error of fn ends the context of find and is own; err is that
// of find. hand marks progress, and gives the error of a context that has
// ended.
func Gather(ctx context.Context, fn func(Info) error, find func(ctx context.Context, hand func([]Info) error) error) (err, own error) {
	return GatherAny(ctx, fn, find)
}

// GatherAny is Gather of anything.
func GatherAny[T any](ctx context.Context, fn func(T) error, find func(ctx context.Context, hand func([]T) error) error) (err, own error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan []T, gatherRoom)
	hand := func(infos []T) error {
		Progress(ctx)
		if len(infos) == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case found <- infos:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ended := make(chan error, 1)
	go func() {
		ended <- find(ctx, hand)
		close(found)
	}()
	for infos := range found {
		for i := 0; i < len(infos) && own == nil; i++ {
			own = fn(infos[i])
		}
		if own != nil {
			cancel()
		}
	}
	return <-ended, own
}
