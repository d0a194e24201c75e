package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sstatefs/integration/proxy"
	"sstatefs/integration/servers"
)

// touches counts what 10,000 uses of objects cost the caller and the remote.
type touches struct {
	o     options
	f     *folder
	proxy *proxy.Proxy
	keys  []string
}

// runTouches uses objects that nobody has used for three days, and again.
// How a server is told of a use, and how often it is asked for that, is its
// own.
func runTouches(ctx context.Context, o options, dir string) error {
	for _, kind := range o.servers {
		if o.wants("touches " + string(kind)) {
			if err := touchAll(ctx, o, dir, kind); err != nil {
				return fmt.Errorf("touches of %s: %w", kind, err)
			}
		}
	}
	return nil
}

func touchAll(ctx context.Context, o options, dir string, kind servers.Kind) (err error) {
	s := &site{}
	defer func() { err = errors.Join(err, s.close()) }()
	srv, err := s.start(kind)
	if err != nil {
		return err
	}
	count := 10_000
	if o.quick {
		count = 2000
	}
	t := touches{o: o, keys: newGenerator(nil, 3).keys(count)}
	if err := fill(ctx, srv.Data, t.keys); err != nil {
		return err
	}
	if err := age(srv.Data, t.keys); err != nil {
		return err
	}
	if err := s.try(func() { t.proxy = proxy.Start(s, srv.URL) }); err != nil {
		return err
	}
	e, err := endpointOf(srv, t.proxy.URL)
	if err != nil {
		return err
	}
	t.f = sstatefsMount(dir, o.binary, e)
	defer t.f.stop()
	if err := t.f.startKnowing(ctx); err != nil {
		return err
	}
	fmt.Fprintf(o.out, "\n%d touches through a mount of %s\n\n", count, kind)
	if err := t.touch(ctx, "due, last used three days ago", nil); err != nil {
		return err
	}
	none := 0.05 // a listing of the remote that falls due meanwhile is counted too
	return t.touch(ctx, "fresh, used just now", &none)
}

// age makes files of a folder three days old: a use of them is to be sent.
func age(data string, keys []string) error {
	then := time.Now().Add(-72 * time.Hour)
	for _, key := range keys {
		if err := os.Chtimes(filepath.Join(data, key), then, then); err != nil {
			return err
		}
	}
	return nil
}

// calm is how long no request comes when all is sent.
const calm = 4 * time.Second

// touch uses all objects once, waits until nothing more is sent and prints
// what it took. most is how many requests an object may cost, nil for as many
// as the server needs to be told.
func (t *touches) touch(ctx context.Context, name string, most *float64) error {
	before := t.proxy.Counts()
	begun := time.Now()
	for _, key := range t.keys {
		if err := use(filepath.Join(t.f.point, key)); err != nil {
			return err
		}
	}
	took := time.Since(begun)
	for last, since := 0, time.Now(); time.Since(since) < calm; {
		if err := pause(ctx, calm/20); err != nil {
			return err
		}
		if now := sum(t.proxy.Counts()); now != last {
			last, since = now, time.Now()
		}
	}
	after := t.proxy.Counts()
	var verbs []string
	for _, verb := range slices.Sorted(maps.Keys(after)) {
		if n := after[verb] - before[verb]; n > 0 {
			verbs = append(verbs, fmt.Sprintf("%d %s", n, verb))
		}
	}
	each := float64(sum(after)-sum(before)) / float64(len(t.keys))
	figure{name: name + ": of the caller, each", value: seconds(took / time.Duration(len(t.keys)))}.print(t.o.out)
	line := figure{name: name + ": of the remote, each", value: fmt.Sprintf("%.3f requests (%s)", each, strings.Join(verbs, ", "))}
	if most != nil {
		line.target, line.met = "none", each <= *most
	}
	line.print(t.o.out)
	return nil
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
