package main

import (
	"context"
	"fmt"

	"sstatefs/ctl"
)

// publishCases publish from one process.
func (l *local) publishCases() []localCase {
	large, small := l.publisher("large", l.scaled(100), 1<<20), l.publisher("small", l.scaled(300), 60_000)
	others, target := []string{plainDir, loopback}, bound{of: loopback, faster: 0.85}
	return []localCase{
		small.named("publish of 60 kB, queue, sending paused", paused, others, target, l.unsent),
		large.named("publish of 1 MiB, queue, sending paused", paused, others, target, l.unsent),
		small.named("publish of 60 kB, queue, while sending", queued, others, bound{}, l.flushed),
		large.named("publish of 1 MiB, queue, while sending", queued, others, bound{}, l.flushed),
		small.named("publish of 60 kB, through", indexed, others, bound{}, nil),
		large.named("publish of 1 MiB, through", indexed, others, bound{}, nil),
	}
}

// A publisher publishes objects of one size.
type publisher struct {
	name    string
	objects int
	body    []byte
}

func (l *local) publisher(name string, objects, size int) publisher {
	return publisher{name, objects, make([]byte, size-32)}
}

// named is a case. Its names are not those of another one.
func (b publisher) named(name, ours string, others []string, target bound, after func(context.Context, *place, int) error) localCase {
	return localCase{
		name: name, ops: b.objects, ours: ours, others: others, bound: target, once: makeLeaves, after: after,
		run: func(ctx context.Context, p *place, round int) error {
			return parallel(ctx, 1, b.objects, func(n int) error {
				return publish(p.point, localObject(roundName(name, round), n, b.body))
			})
		},
	}
}

// unsent holds the paused mount to what its name says.
func (l *local) unsent(ctx context.Context, p *place, _ int) error {
	if p.name != paused {
		return nil
	}
	status, err := p.run.waitStatus(ctx, func(ctl.Status) bool { return true })
	if err == nil && status.Queue.Objects == 0 {
		err = fmt.Errorf("nothing waits to be sent: %+v", status.Queue)
	}
	return err
}
