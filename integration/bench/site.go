package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"sstatefs/integration/proxy"
	"sstatefs/integration/servers"
)

// A site is the servers of a run. It is to package servers what a test is: it
// ends what was started.
type site struct {
	mu       sync.Mutex
	cleanups []func()
	errs     []error
}

var _ servers.TB = (*site)(nil)

// errFatal is what Fatal panics with: it must not return.
var errFatal = errors.New("fatal")

func (*site) Helper() {}

func (s *site) Cleanup(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, fn)
}

func (s *site) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.errs) > 0
}

func (s *site) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (s *site) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

func (s *site) Fatal(args ...any) {
	s.Errorf("%s", fmt.Sprint(args...))
	panic(errFatal)
}

func (s *site) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	panic(errFatal)
}

// try runs what may call Fatal.
func (s *site) try(fn func()) (err error) {
	defer func() {
		switch r := recover(); {
		case r == errFatal:
			err = errors.Join(s.errs...)
		case r != nil:
			panic(r)
		}
	}()
	fn()
	return nil
}

// close ends everything, the last first.
func (s *site) close() error {
	for _, fn := range slices.Backward(s.cleanups) {
		if err := s.try(fn); err != nil {
			s.Errorf("%w", err)
		}
	}
	s.cleanups = nil
	return errors.Join(s.errs...)
}

// start starts a server.
func (s *site) start(kind servers.Kind) (srv *servers.Server, err error) {
	err = s.try(func() { srv = servers.Start(s, kind) })
	return srv, err
}

// link gives a server as seen over a link of a round trip time and a rate.
func (s *site) link(srv *servers.Server, rtt time.Duration, rate bandwidth) (e endpoint, err error) {
	address := srv.URL
	if rtt > 0 || rate > 0 {
		if err := s.try(func() { address = proxy.Link(s, srv.URL, rtt, rate.bytes()).URL }); err != nil {
			return e, err
		}
	}
	return endpointOf(srv, address)
}

// endpointOf is a server as seen at an address, its own or a proxy's.
func endpointOf(srv *servers.Server, address string) (endpoint, error) {
	e := endpoint{
		s3: srv.Kind.IsS3(), putMove: srv.Kind == servers.Nginx || srv.Kind == servers.RcloneWebDAV,
		data: srv.Data, bucket: srv.Bucket,
		region: srv.Getenv("AWS_REGION"), access: srv.Getenv("AWS_ACCESS_KEY_ID"), secret: srv.Getenv("AWS_SECRET_ACCESS_KEY"),
	}
	if !e.s3 {
		address = srv.AddressAt(address)
	}
	u, err := url.Parse(address)
	e.url = u
	return e, err
}
