package main

import (
	"context"
	"fmt"
	"os"

	"sstatefs/ctl"
	"sstatefs/store"
)

// finish ends a mount that a signal asked to end, or that was unmounted
// (nil): it sends what is left for --drain-timeout or until another signal,
// and says what it could not send.
func (s *serving) finish(asked os.Signal) error {
	notifySystemd("STOPPING=1")
	ctx, cancel := context.WithTimeout(context.Background(), s.flags.drainTimeout.d)
	defer cancel()
	defer s.stopAtSignal(cancel)()
	if n := s.queued(); n > 0 {
		s.log.Info("ending the mount: sending what is left", "objects", n)
	}
	if asked != nil {
		s.detach(ctx)
	}
	left, err := s.session.Close(ctx)
	s.logFailure("close the cache", err)
	s.takeDown()
	return s.farewell(left)
}

// stopAtSignal calls cancel when another signal comes. The function it returns
// ends the watch.
func (s *serving) stopAtSignal(cancel func()) func() {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-s.signals:
			s.log.Warn("stopped sending: what is left stays in the cache directory")
			cancel()
		case <-quit:
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// detach sends while the mount still works, then takes it away, in use or not:
// whoever stops a service wants it stopped.
func (s *serving) detach(ctx context.Context) {
	if _, err := s.session.Drain(ctx, s.flags.drainTimeout.d, func(ctl.Progress) {}); err != nil && ctx.Err() == nil {
		s.logFailure("send what is left", err)
	}
	used, err := s.session.Detach(ctl.BusyForce)
	s.logFailure("unmount", err)
	if used {
		s.log.Warn("the mount was in use: files open in it fail from now on", "mountpoint", s.plan.mountpoint)
	}
}

// takeDown ends what is left of the mount after its store.
func (s *serving) takeDown() {
	s.logFailure("close the control socket", s.server.Close())
	select {
	case <-s.session.Gone():
		s.session.Wait()
		s.logFailure("end the mount", s.fuse.Close())
	default:
		// Detached while in use: the kernel ends it with this process.
	}
}

// farewell says how it ended.
func (s *serving) farewell(left store.Left) error {
	hint := "the next mount with --cache-dir " + s.plan.cacheDir + " sends them"
	if err := leftError(s.plan.mountpoint, left, hint); err != nil {
		return err
	}
	if s.flags.daemon {
		s.log.Info(unmountedText(s.store.Status().ReadOnly), "mountpoint", s.plan.mountpoint)
		return nil
	}
	fmt.Fprintf(s.p.stderr, "sstatefs: %s is %s\n", s.plan.mountpoint, unmountedText(s.store.Status().ReadOnly))
	return nil
}

// unmountedText says that nothing is left to be sent.
func unmountedText(readOnly bool) string {
	if readOnly {
		return "unmounted, read-only: what was published stays in the cache directory"
	}
	return "unmounted, everything is sent"
}

func (s *serving) queued() int64 { return s.store.Status().Queue.Objects }
