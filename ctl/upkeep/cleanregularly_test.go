package upkeep_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A fleet is hosts that clean one remote, in virtual time.
type fleet struct {
	*testing.T
	m      *remotetest.Memory
	log    bytes.Buffer
	folder string
}

// host starts one that runs until stop.
func (f *fleet) host(name string) (r *upkeep.Regular, stop func()) {
	r = &upkeep.Regular{
		Target:  &upkeep.Target{Remote: f.m, Now: time.Now},
		Options: upkeep.CleanOptions{MaxAge: 30 * day}, Every: day,
		Marker: filepath.Join(f.folder, name), Logger: slog.New(slog.NewTextHandler(&f.log, nil)),
	}
	ctx, cancel := context.WithCancel(f.Context())
	ended := make(chan struct{})
	go func() {
		r.Run(ctx)
		close(ended)
	}()
	synctest.Wait()
	return r, func() {
		cancel()
		<-ended
	}
}

func inFleet(t *testing.T, run func(f *fleet)) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) { run(&fleet{T: t, m: remotetest.NewMemory(), folder: folder}) })
}

// TestRegular cleans soon, then once a day, and says so.
func TestRegular(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.m.Set(key("a", hashA, pkg), []byte("x"))
		r, stop := f.host("one")
		if s := r.Status(); s.Last != nil || s.Running || time.Until(s.Next) > time.Hour {
			f.Errorf("Status = %+v, want the first run within an hour", s)
		}
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if s := r.Status(); s.Last == nil || s.Last.LookedAt != 1 || s.Last.Removed != 0 || s.Last.Error != "" {
			f.Fatalf("Status = %+v after an hour", s)
		}
		time.Sleep(28 * day)
		if n := f.m.Calls("sweep"); n < 27 || n > 29 {
			f.Errorf("listed %d times in 28 days", n)
		}
		time.Sleep(4 * day)
		synctest.Wait()
		if n := len(f.m.Snapshot()); n != 0 || !strings.Contains(f.log.String(), `msg="cleaned the remote" looked_at=1 removed=1 freed_bytes=1`) {
			f.Errorf("%d objects left\n%s", n, f.log.String())
		}
		stop()
		if r.Status().Running {
			f.Errorf("it runs after its end")
		}
	})
}

// TestRegularRemembers: who mounts again and again cleans once a day, not each
// time and not never.
func TestRegularRemembers(t *testing.T) {
	inFleet(t, func(f *fleet) {
		for range 60 {
			_, stop := f.host("one")
			time.Sleep(2 * time.Hour)
			stop()
		}
		if n := f.m.Calls("sweep"); n < 4 || n > 6 {
			f.Errorf("listed %d times in 5 days of mounts of 2 hours", n)
		}
	})
}

// TestRegularFleet does not list all at once.
func TestRegularFleet(t *testing.T) {
	inFleet(t, func(f *fleet) {
		starts := make(map[time.Time]int)
		for i := range 20 {
			r, stop := f.host(string(rune('a' + i)))
			defer stop()
			starts[r.Status().Next.Truncate(time.Minute)]++
		}
		if len(starts) < 8 {
			f.Errorf("20 hosts start in %d different minutes of an hour", len(starts))
		}
	})
}

// TestRegularFails warns once a run and tries again before the day is over.
func TestRegularFails(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.m.Fail("sweep", remote.ErrUnavailable)
		r, stop := f.host("one")
		defer stop()
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if s := r.Status(); s.Last == nil || s.Last.Error == "" || strings.Count(f.log.String(), "level=WARN") != 1 {
			f.Errorf("Status = %+v\n%s", s, f.log.String())
		}
		f.m.Fail("sweep", nil)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if s := r.Status(); s.Last == nil || s.Last.Error != "" {
			f.Errorf("Status = %+v two hours after the remote is back", s)
		}
	})
}
