package ctl

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestClientOfADyingDaemon: a connection that is reset is a daemon that is gone
// when nobody listens any more, and else one that cannot be asked.
func TestClientOfADyingDaemon(t *testing.T) {
	for _, test := range []struct {
		name  string
		stays bool
		want  Kind
	}{{"gone", false, KindDead}, {"lives", true, KindUnreachable}} {
		t.Run(test.name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			listener, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			done := make(chan struct{})
			go func() {
				defer close(done)
				conn, err := listener.Accept()
				if err != nil {
					t.Errorf("Accept() = %v", err)
					return
				}
				if !test.stays {
					listener.Close()
				}
				// With one byte of the request read the rest is there; what is not read
				// when a unix socket is closed resets it.
				_, _ = conn.Read(make([]byte, 1))
				conn.Close()
			}()
			_, err = newClient(MountInfo{Mountpoint: "/m", UID: os.Getuid(), Socket: socket}).Status(t.Context())
			<-done
			if !IsKind(err, test.want) {
				t.Errorf("Status() = %v, want %s", err, test.want)
			}
		})
	}
}
