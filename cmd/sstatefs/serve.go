package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"sstatefs/ctl"
	fusefs "sstatefs/fs"
	"sstatefs/store"
)

// serving is a mount from its first file to its last. What start put together
// finish takes apart.
type serving struct {
	p       *program
	flags   *mountFlags
	plan    mountPlan
	herald  *herald
	log     *slog.Logger
	signals chan os.Signal // that ask for the end

	claim   *ctl.Claim
	store   *store.Store
	fuse    *fusefs.Server
	session *ctl.Session
	server  *ctl.Server
	dismiss func() // the lookout
}

// mount is the command of that name. The number of open files needs no care:
// the Go runtime raises the soft limit to the hard one.
func (p *program) mount(ctx context.Context, flags *mountFlags, address, mountpoint string) error {
	plan, err := planMount(flags, address, mountpoint)
	if err != nil {
		return err
	}
	pipe := parentPipe()
	if flags.daemon && pipe == nil {
		return p.startDaemon(ctx)
	}
	h := &herald{p: p, pipe: pipe, logDir: plan.cacheDir}
	s := &serving{
		p: p, flags: flags, plan: plan, herald: h,
		log: newLogger(p.stderr, flags.logLevel.word, flags.logFormat.word), signals: make(chan os.Signal, 2),
	}
	return h.failed(s.run(ctx))
}

// minProcessors is how many goroutines run at a time at least, as far as the
// runtime has a say. Some always wait for the kernel's next request in a system
// call and seem to run: with two processors a request of eight that ask at once
// waited for the monitor to notice that, a quarter of its time.
const minProcessors = 4

func (s *serving) run(ctx context.Context) error {
	if os.Getenv("GOGC") == "" {
		paceGarbage()
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(minProcessors, runtime.GOMAXPROCS(0)))
	}
	ending := s.endingSignals()
	signal.Notify(s.signals, ending...)
	// Who read the log may go, the mount stays: signal(7) of Go's os/signal.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Stop(s.signals)
	starting, stop := signal.NotifyContext(ctx, ending...)
	s.dismiss = func() {}
	defer func() { s.dismiss() }()
	err := endingSoon(starting, s.start)
	if errors.Is(err, errHangs) {
		return err // what it has made by now is its own
	}
	if starting.Err() != nil && err != nil {
		err = errors.New("mount: interrupted")
	}
	stop()
	if err != nil {
		s.giveUp()
		return err
	}
	if s.flags.daemon {
		s.log.Info("mounted", "remote", s.plan.remote, "mountpoint", s.plan.mountpoint, "pid", os.Getpid())
	}
	s.herald.mounted(s.claim.Info())
	stopCleaning := s.startCleaning()
	asked := s.wait()
	stopCleaning()
	return s.finish(asked)
}

// post starts the lookout of the mount and returns what dismisses it. Without
// one the mount works as well.
func (s *serving) post() (dismiss func()) {
	l, err := startLookout(s.plan.mountpoint)
	if err != nil {
		s.logFailure("start the lookout", err)
		return func() {}
	}
	return l.dismiss
}

// endingSignals are the signals that end the mount: also the end of the
// terminal, unless it is a daemon or runs under nohup.
func (s *serving) endingSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	switch {
	case s.flags.daemon:
		signal.Ignore(syscall.SIGHUP)
	case !signal.Ignored(syscall.SIGHUP):
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// interruptedStart is how long a start goes on that is interrupted. What waits for
// a remote ends at once; what waits for a disk may never.
const interruptedStart = 10 * time.Second

var errHangs = errors.New("mount: interrupted while it waited for a disk: is that of the cache well?")

// endingSoon runs start, but leaves it to the end of the process if it is
// interrupted and does not end: then the error is errHangs.
func endingSoon(ctx context.Context, start func(context.Context) error) error {
	began := make(chan error, 1)
	go func() { began <- start(ctx) }()
	select {
	case err := <-began:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-began:
		return err
	case <-time.After(interruptedStart):
		return errHangs
	}
}

// start mounts. After an error giveUp takes back what there is.
func (s *serving) start(ctx context.Context) error {
	var err error
	s.claim, err = s.p.host.Claim(ctl.MountInfo{
		Mountpoint: s.plan.mountpoint, Remote: s.plan.remote, CacheDir: s.plan.cacheDir,
		Socket: s.plan.socket, PID: os.Getpid(), UID: os.Getuid(),
		Version: programVersion().Version, Since: utcNow(),
	})
	if err != nil {
		return err
	}
	if s.store, err = s.openStore(ctx); err != nil {
		return err
	}
	if err := s.clearMountpoint(); err != nil {
		return err
	}
	s.dismiss = s.post()
	s.fuse, err = fusefs.Mount(fusefs.Options{
		Mountpoint: s.plan.mountpoint, Store: s.store, AllowOther: s.flags.allowOther,
		Source: s.plan.remote, Logger: s.log, Debug: s.flags.logLevel.word == "debug",
	})
	if err != nil {
		return err
	}
	s.session = ctl.NewSession(s.store, s.fuse, s.claim.Info())
	s.server, err = ctl.Serve(ctl.ServerOptions{
		Session: s.session, Claim: s.claim, Logger: s.log, Remote: s.store.Shared(),
		Listen: func(buffer int) ctl.Listener { return s.store.Listen(buffer) },
	})
	if err != nil {
		return err
	}
	return s.herald.redirect()
}

func (s *serving) openStore(ctx context.Context) (*store.Store, error) {
	dir := s.plan.cacheDir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cache directory: %w", err)
	}
	options, err := s.flags.storeOptions(s.plan)
	if err != nil {
		return nil, err
	}
	known, err := store.Recall(dir)
	if err != nil {
		return nil, err
	}
	known.ReadOnly, known.Access = s.flags.readOnly, s.plan.access
	options.Remote, err = openers().Open(ctx, s.plan.address, known)
	if err != nil {
		return nil, remoteError(s.plan.address, err)
	}
	options.Logger = s.log
	return store.Open(ctx, options)
}

// clearMountpoint makes room for the mount.
func (s *serving) clearMountpoint() error {
	if s.plan.dead {
		if err := fusefs.DetachDead(s.plan.mountpoint); err != nil {
			return err
		}
		s.log.Warn("detached a mount whose daemon was gone", "mountpoint", s.plan.mountpoint)
	}
	if s.plan.hides() {
		s.log.Warn("mountpoint is not empty: the mount hides what is in it", "mountpoint", s.plan.mountpoint)
	}
	return nil
}

// giveUp takes back what start made before it failed.
func (s *serving) giveUp() {
	now, cancel := context.WithCancel(context.Background())
	cancel() // nothing was published through this mount: send nothing
	if s.fuse != nil {
		s.logFailure("unmount", s.fuse.UnmountLazy())
	}
	if s.store != nil {
		_, err := s.store.Close(now)
		s.logFailure("close the cache", err)
	}
	if s.server != nil {
		s.logFailure("close the control socket", s.server.Close())
	}
	if s.claim != nil {
		s.claim.Release()
	}
}

// wait is the whole life of the mount. It returns the signal that asks for its
// end, nil when it was unmounted.
func (s *serving) wait() os.Signal {
	select {
	case <-s.session.Gone():
		return nil
	case <-s.session.Ended():
		return nil
	case asked := <-s.signals:
		return asked
	}
}

func (s *serving) logFailure(what string, err error) {
	if err != nil {
		s.log.Error("cannot "+what, "error", err)
	}
}
