package servers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// logTail is how much of a server's log is shown, in bytes.
const logTail = 4 << 10

var errDied = errors.New("the server ended")

// awaitAnswer returns when the server, and nobody else on that port, answers.
func (s *Server) awaitAnswer(limit time.Duration) error {
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	target := fmt.Sprintf("http://127.0.0.1:%d/%s/", s.Port, bucket)
	last := errors.New("no answer")
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(pollInterval) {
		if s.process.ended() {
			return errDied
		}
		if !listens(s.process.cmd.Process.Pid, s.Port) {
			continue
		}
		resp, err := client.Get(target)
		if err != nil {
			last = err
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if last = s.judge(resp.StatusCode); last == nil {
			return nil
		}
	}
	return fmt.Errorf("not ready within %v: %w", limit, last)
}

// judge tells from the answer to an anonymous GET whether a server is ready: one
// of files answers 2xx, or 401 where Flags ask for a password; an object store
// 403, rclone's 400. MinIO says 503 for a while.
func (s *Server) judge(status int) error {
	refused := status == http.StatusForbidden || status == http.StatusBadRequest
	if status < 300 || s.Kind.IsS3() && refused || !s.Kind.IsS3() && status == http.StatusUnauthorized {
		return nil
	}
	return fmt.Errorf("status %d", status)
}

// log is the end of what the server has written.
func (s *Server) log() string {
	var text strings.Builder
	for _, name := range []string{"log", "error.log"} {
		content, err := os.ReadFile(filepath.Join(s.dir, name))
		if err == nil {
			text.Write(content[max(0, len(content)-logTail):])
		}
	}
	return text.String()
}

// portTaken tells from a server's log that another one has its port. All of
// them print the system's message or "Specified port is already in use".
func portTaken(log string) bool {
	return strings.Contains(strings.ToLower(log), "already in use")
}
