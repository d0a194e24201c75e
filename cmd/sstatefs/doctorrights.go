package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sstatefs/remote"
)

const (
	probes   = 5           // of which the median counts
	clockOff = time.Minute // from which ages are wrong enough to matter
)

// patient is a remote that is being examined.
type patient struct {
	guard *remote.Guard
	inner remote.Remote
	d     *diagnosis

	object  remote.Info   // one that is there, its key empty if none is known
	seen    bool          // the time of our scratch object was read
	offset  time.Duration // its time minus ours
	unclear time.Duration // by which the offset may be wrong
}

// reach measures the round trip of a few probes.
func (p *patient) reach(ctx context.Context) bool {
	var times []time.Duration
	for range probes {
		start := time.Now()
		if err := p.guard.ProbeNow(ctx); err != nil {
			p.d.blameRemote("reachable", err)
			p.d.unreachable = exitCode(err) == exitUnreachable
			return false
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	median := times[len(times)/2]
	seconds := median.Seconds()
	p.d.Remote.Reachable, p.d.Remote.RoundTrip = true, &seconds
	p.d.note("remote", "reachable", verdictOK, p.inner.String())
	p.d.note("remote", "round-trip", verdictOK, rounded(median)+" (median of a few)")
	return true
}

// rounded is a short time with two or three digits.
func rounded(d time.Duration) string {
	unit := time.Microsecond
	for d >= 100*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}

var errSeen = errors.New("seen enough")

// list looks for one object.
func (p *patient) list(ctx context.Context) {
	if p.guard.Traits().NoList {
		p.d.note("remote", "list", verdictWarn, "not possible: each name that a build looks up is a request")
		mend := "none for a plain web server; WebDAV or S3 can list"
		if strings.HasPrefix(p.inner.String(), "s3:") {
			mend = "grant s3:ListBucket"
		}
		p.d.mend(mend)
		return
	}
	err := p.guard.List(ctx, "", func(info remote.Info) error {
		p.object = info
		return errSeen
	})
	switch {
	case err == nil:
		p.d.note("remote", "list", verdictOK, "allowed; there is no object yet")
	case errors.Is(err, errSeen):
		p.d.note("remote", "list", verdictOK, "allowed")
	default:
		p.d.blameRemote("list", err)
	}
}

// read reads the beginning of an object, if one is known.
func (p *patient) read(ctx context.Context) {
	if p.object.Key == "" {
		return
	}
	body, _, err := p.guard.Get(ctx, p.object.Key, 0)
	if err == nil {
		_, err = io.ReadFull(body, make([]byte, min(1, p.object.Size)))
		body.Close()
	}
	if err != nil {
		p.d.blameRemote("read", err)
		return
	}
	p.d.note("remote", "read", verdictOK, "allowed")
}

// write puts an object of its own, looks at it and removes it.
func (p *patient) write(ctx context.Context, readOnly bool) {
	switch {
	case readOnly:
		p.d.note("remote", "write", verdictOK, "not tried: --read-only")
		return
	case p.guard.Traits().ReadOnly:
		p.d.note("remote", "write", verdictWarn, "it takes no changes: a mount fetches from it and sends nothing")
		p.d.mend("none if that is wanted: mount --read-only says so")
		return
	}
	key := remote.Key("sstatefs-doctor-" + strings.ToLower(rand.Text()))
	start := time.Now()
	if err := p.guard.Put(ctx, key, words("sstatefs doctor\n"), remote.PutOptions{Create: true}); err != nil {
		p.d.blameRemote("write", err)
		return
	}
	took := time.Since(start)
	if info, err := p.guard.Stat(ctx, key); err == nil {
		p.seen, p.offset = true, info.ModTime.Sub(start.Add(took/2))
		p.unclear = took/2 + p.guard.Traits().TimeResolution
	}
	p.d.note("remote", "write", verdictOK, "allowed")
	if err := p.guard.Delete(ctx, key); err != nil {
		p.d.blameRemote("delete", err)
		return
	}
	p.d.note("remote", "delete", verdictOK, "allowed")
}

// explore lets the remote find out what it would find out later.
func (p *patient) explore(ctx context.Context) {
	explorer, ok := p.inner.(remote.Explorer)
	if !ok {
		return
	}
	if err := explorer.Explore(ctx); err != nil {
		p.d.blame("remote", "abilities", verdictWarn, err)
	}
}

// clock compares the remote's clock with ours: ages are measured by its one.
func (p *patient) clock() {
	offset, known := p.offset, p.seen
	if clock, ok := p.inner.(remote.Clock); ok {
		if o, ok := clock.Offset(); ok {
			offset, known = o, true
		}
	}
	if !known {
		return
	}
	if offset.Abs() <= p.unclear {
		offset = 0
	}
	seconds := offset.Seconds()
	p.d.Remote.ClockOffset = &seconds
	if offset.Abs() < clockOff {
		p.d.note("remote", "clock", verdictOK, "the remote's clock is right")
		return
	}
	way := "ahead of"
	if offset < 0 {
		way = "behind"
	}
	p.d.note("remote", "clock", verdictWarn, fmt.Sprintf("the remote's clock is %s %s ours", offset.Abs().Round(time.Second), way))
	p.d.mend("let both machines set their clocks by NTP")
}

// words are a source.
type words string

func (w words) Size() int64                  { return int64(len(w)) }
func (w words) Open() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(w))), nil }
