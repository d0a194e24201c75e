package servers

import (
	"syscall"
	"time"
)

// stopLimit is how long a server may take to stop when asked politely.
const stopLimit = 10 * time.Second

// Pid is the server's first process.
func (s *Server) Pid() int { return s.process.cmd.Process.Pid }

// Pause stops all processes of the server: connections are accepted by the
// kernel, and nothing is answered.
func (s *Server) Pause() {
	s.t.Helper()
	if err := s.process.pause(stopLimit); err != nil {
		s.t.Fatalf("servers: %s: pause: %v", s.Kind, err)
	}
}

// Resume ends a Pause.
func (s *Server) Resume() {
	s.t.Helper()
	if err := s.process.signal(syscall.SIGCONT); err != nil {
		s.t.Fatalf("servers: %s: resume: %v", s.Kind, err)
	}
}

// Stop ends the server: connections are refused from then on. It does nothing
// to a server that is stopped.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.process.stop(stopLimit); err != nil {
		s.t.Errorf("servers: %s: %v", s.Kind, err)
	}
}

// Kill ends the server without notice.
func (s *Server) Kill() {
	s.t.Helper()
	if err := s.process.kill(); err != nil {
		s.t.Errorf("servers: %s: %v", s.Kind, err)
	}
}

// Restart starts a server again on its port and with its data; a running one
// is stopped first. What others connect to meanwhile may hold the port for a
// moment.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	for deadline := time.Now().Add(startLimit); ; {
		err := s.run()
		if err == nil {
			return
		}
		if !portTaken(s.log()) || time.Now().After(deadline) {
			s.t.Fatalf("servers: %s: restart: %v\n%s", s.Kind, err, s.log())
		}
	}
}
