package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Credentials of the object stores, and the bucket. The name of the bucket is
// the folder of the WebDAV servers too.
const (
	accessKey = "sstatekey"
	secretKey = "sstatesecret"
	region    = "us-east-1"
	bucket    = "sstate"
)

// startLimit bounds a start: a few seconds on an idle machine, and the race
// detector's other tests may hold every CPU.
const startLimit = 60 * time.Second

// A Server is one running server.
type Server struct {
	Root // of all it serves

	Kind   Kind
	URL    string   // its endpoint, "http://127.0.0.1:PORT"
	Bucket string   // of an object store, else empty
	Env    []string // "NAME=value": what lets a client in
	Port   int

	t       TB
	dir     string // configuration, logs and data
	recipe  recipe
	options options
	program string // path
	process *process
}

type options struct {
	over  string
	flags []string
}

// An Option changes how a server is started.
type Option func(*options)

// Over makes a Mirror serve a folder that is there.
func Over(dir string) Option { return func(o *options) { o.over = dir } }

// Flags adds flags to the command line of versitygw, MinIO or rclone, or lines
// to the configuration of the folder in Apache or nginx.
func Flags(flags ...string) Option {
	return func(o *options) { o.flags = append(o.flags, flags...) }
}

// Start starts a server, which answers when Start returns, and ends it with
// the test.
func Start(t TB, kind Kind, opts ...Option) *Server {
	t.Helper()
	r, ok := recipeOf(kind)
	if !ok {
		t.Fatalf("servers: no server is called %q", kind)
	}
	s := &Server{Kind: kind, t: t, recipe: r}
	for _, opt := range opts {
		opt(&s.options)
	}
	if s.options.over != "" && kind != Mirror {
		t.Fatalf("servers: only a mirror serves a folder that is there, not %s", kind)
	}
	var err error
	if s.program, err = find(r.program); err != nil {
		t.Fatal(err)
	}
	if err := s.makeFolders(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.startSomewhere()
	s.describe()
	return s
}

// makeFolders makes the server's folder, which its user can reach.
func (s *Server) makeFolders() error {
	dir, err := os.MkdirTemp("", "sstatefs-server-")
	if err != nil {
		return err
	}
	s.dir = dir
	if err := os.Chmod(dir, 0o755); err != nil { // #nosec G302: www-data looks in
		return err
	}
	for _, sub := range []string{"data", filepath.Join("data", bucket), "work"} {
		if err := s.makeOwned(filepath.Join(dir, sub)); err != nil {
			return err
		}
	}
	s.Data = filepath.Join(dir, "data", bucket)
	if s.options.over != "" {
		s.Data = s.options.over
	}
	s.uid = s.user()
	return nil
}

// makeOwned makes a folder that belongs to the server's user.
func (s *Server) makeOwned(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	if uid := s.user(); uid != os.Getuid() {
		return os.Chown(path, uid, uid)
	}
	return nil
}

// startSomewhere starts the server on a free port. Nobody can hold a port for
// a program to come, so another one may be quicker: then the next port is
// tried.
func (s *Server) startSomewhere() {
	s.t.Helper()
	for range 20 {
		port, err := freePort()
		if err != nil {
			s.t.Fatal(err)
		}
		s.Port = port
		if err = s.run(); err == nil {
			return
		}
		if !portTaken(s.log()) {
			s.t.Fatalf("servers: %s: %v\n%s", s.Kind, err, s.log())
		}
	}
	s.t.Fatalf("servers: %s: finds no free port\n%s", s.Kind, s.log())
}

// run starts the server on its port and returns when it answers.
func (s *Server) run() error {
	args, env, err := s.recipe.prepare(s)
	if err != nil {
		return err
	}
	cmd := exec.Command(s.program, args...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + s.dir, "LC_ALL=C.UTF-8"}, env...)
	last := syscall.SIGKILL
	if s.recipe.workers {
		last = syscall.SIGTERM // ends the workers too
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: last}
	if s.process, err = spawn(cmd, s.dir); err != nil {
		return err
	}
	if err := s.awaitAnswer(startLimit); err != nil {
		_ = s.process.kill()
		return err
	}
	return nil
}

// describe fills in what tests use.
func (s *Server) describe() {
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", s.Port)
	s.s3, s.endpoint = s.Kind.IsS3(), s.URL
	s.lags = s.recipe.program == "rclone"
	if s.s3 {
		s.Bucket = bucket
		s.Env = []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_REGION=" + region}
	}
	if s.Kind == MinIO {
		s.Data = ""
	}
	s.Address = s.AddressAt(s.URL)
}

// Getenv is the environment of a client, in the form of os.Getenv: Env and
// nothing else.
func (s *Server) Getenv(name string) string {
	i := slices.IndexFunc(s.Env, func(v string) bool { return len(v) > len(name) && v[:len(name)+1] == name+"=" })
	if i < 0 {
		return ""
	}
	return s.Env[i][len(name)+1:]
}

// close is the cleanup.
func (s *Server) close() {
	if s.process != nil {
		s.Stop()
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", s.Kind, s.log())
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Errorf("servers: %v", err)
	}
}
