package ctl

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// connect opens a connection as no command would, and sends what it is told.
func (m *testMount) connect(t testing.TB, text string) *net.UnixConn {
	t.Helper()
	conn, err := dialSocket(testContext(t), m.client.info.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// It may have been closed by now.
	_, _ = io.WriteString(conn, text)
	return conn
}

// answers asks for the status, as a command does.
func (m *testMount) answers(t testing.TB) {
	t.Helper()
	if _, err := m.client.Status(testContext(t)); err != nil {
		t.Errorf("Status() = %v", err)
	}
}

// patience is how long these tests wait for what comes at once on a machine that
// has nothing else to do.
const patience = 30 * time.Second

// bounded gives reads of a connection a deadline.
func bounded(t testing.TB, conn *net.UnixConn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

// isClosed waits for the server to close a connection, and reads what it says.
func isClosed(t testing.TB, conn *net.UnixConn) (said []byte) {
	t.Helper()
	bounded(t, conn)
	said, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("still open, it said %.200q", said)
	}
	return said
}

// TestThousandConnections: who opens a thousand connections and says nothing, or
// half of something, keeps nobody out, and holds a bounded number of them.
func TestThousandConnections(t *testing.T) {
	for name, text := range map[string]string{
		"silent": "", "half a line": "GET /v1/sta", "half a head": "GET /v1/status HTTP/1.1\r\nHost: x\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := serveFakes(t)
			const many = 1000
			var all []*net.UnixConn
			for range many {
				all = append(all, m.connect(t, text))
			}
			m.answers(t)
			for _, conn := range all[:many-connectionLimit] {
				isClosed(t, conn)
			}
			m.answers(t)
		})
	}
}

// TestGarbage: what is no request is answered with an error or nothing, and the
// connection goes.
func TestGarbage(t *testing.T) {
	m := serveFakes(t)
	for _, text := range []string{
		"\x00\xff\xfe\n\n", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", strings.Repeat("x", 1<<17) + "\r\n\r\n",
		"GET /v1/status HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 1<<15) + "\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	} {
		conn := m.connect(t, text)
		if err := conn.CloseWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) {
			t.Fatal(err)
		}
		if said := isClosed(t, conn); bytes.Contains(said, []byte(" 200 ")) {
			t.Errorf("%.40q is answered %.200q", text, said)
		}
	}
	m.answers(t)
}

// TestNeverReads: requests whose answers nobody reads do not keep the server
// from its end, nor others from their answers.
func TestNeverReads(t *testing.T) {
	t.Parallel()
	m := serveFakes(t)
	one := "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
	for range 8 {
		conn := m.connect(t, "")
		if err := conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		// More answers than the kernel keeps: the server is stuck in one, and we
		// with the requests.
		for err := error(nil); err == nil; {
			_, err = io.WriteString(conn, strings.Repeat(one, 100))
		}
	}
	m.answers(t)
	for _, verb := range []string{"flush", "refresh", "trim", "fetch"} {
		m.connect(t, "POST /v1/"+verb+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	}
	m.answers(t)
}

// TestBodyThatNeverComes: a request is answered without the body it announced,
// and its connection goes.
func TestBodyThatNeverComes(t *testing.T) {
	t.Parallel()
	m := serveFakes(t)
	for _, head := range []string{
		"GET /v1/status HTTP/1.1\r\n", "POST /v1/flush HTTP/1.1\r\n", "GET /v1/none HTTP/1.1\r\n",
	} {
		t.Run(head[:12], func(t *testing.T) {
			t.Parallel()
			conn := m.connect(t, head+"Host: x\r\nContent-Length: 1000\r\n\r\n{\"timeout\":")
			if said := isClosed(t, conn); !bytes.HasPrefix(said, []byte("HTTP/1.1 ")) {
				t.Errorf("said %.200q", said)
			}
		})
	}
}

// TestLongVerbsAreBounded: there are so many of them at a time, and short verbs
// get through.
func TestLongVerbsAreBounded(t *testing.T) {
	m := serveFakes(t)
	flush := "POST /v1/flush HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
	var all []*net.UnixConn
	for range longVerbs {
		all = append(all, m.connect(t, flush))
	}
	for _, conn := range all {
		bounded(t, conn)
		if n, err := conn.Read(make([]byte, 1)); n != 1 { // it runs
			t.Fatal(err)
		}
	}
	refused, more := make([]byte, 16), m.connect(t, flush)
	bounded(t, more)
	if _, err := io.ReadFull(more, refused); err != nil || string(refused[9:12]) != "503" {
		t.Errorf("one more is answered %q, %v", refused, err)
	}
	m.answers(t)
}

// TestForeignUser: another user who reaches the socket is refused by what the
// kernel says of him, and can neither ask nor fill the server.
func TestForeignUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("acts as another user: run make test as root for this one")
	}
	m := serveFakes(t)
	for _, dir := range []string{filepath.Dir(m.host.Root), m.host.Root, m.host.RuntimeDir, m.host.RuntimeDir + "/sstatefs"} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	socket := m.client.info.Socket
	if _, err := dialAs(t, 65534, socket, 1); !errors.Is(err, syscall.EACCES) {
		t.Errorf("another user connects: %v, want EACCES", err)
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	requests := []string{
		"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1/unmount HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
		"GET /v1/remote/get?key=a HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	for _, request := range requests {
		conns, err := dialAs(t, 65534, socket, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conns[0], request); err != nil {
			t.Fatal(err)
		}
		said := string(isClosed(t, conns[0]))
		if !strings.HasPrefix(said, "HTTP/1.1 403 ") || !strings.Contains(said, "the mount belongs to user 0") {
			t.Errorf("%.30q is answered %.300q, want 403", request, said)
		}
	}
	if _, err := dialAs(t, 65534, socket, 2*connectionLimit); err != nil {
		t.Fatal(err)
	}
	m.answers(t)
}

// dialAs connects some times as another user. Only the thread that does so
// becomes him, and it ends with its goroutine.
func dialAs(t *testing.T, uid int, socket string, times int) (conns []*net.UnixConn, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			err = errno
			return
		}
		for err == nil && len(conns) < times {
			var conn *net.UnixConn
			if conn, err = dialHere(socket); err == nil {
				conns = append(conns, conn)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("another user neither connects nor is refused")
	}
	t.Cleanup(func() {
		for _, conn := range conns {
			conn.Close()
		}
	})
	return conns, err
}

// dialHere connects on this thread, without waiting: package net may use
// another one.
func dialHere(socket string) (*net.UnixConn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), socket)
	defer file.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// TestEndlessAnswer: the daemon of another user, which root asks too, cannot
// fill its memory.
func TestEndlessAnswer(t *testing.T) {
	m := serveFakes(t)
	endless := &http.Server{
		ConnContext: withPeer, ReadHeaderTimeout: readTimeout,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"mount":{"version":"`)
			piece := bytes.Repeat([]byte("x"), 1<<20)
			for err := error(nil); err == nil; {
				_, err = w.Write(piece)
			}
		}),
	}
	info := m.client.info
	info.Socket += "2"
	listener, err := listen(info.Socket)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- endless.Serve(listener) }()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = newClient(info).Status(testContext(t))
	runtime.ReadMemStats(&after)
	if !IsKind(err, KindUnreachable) {
		t.Errorf("Status() = %v, want KindUnreachable", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*callLimit {
		t.Errorf("%d bytes allocated", used)
	}
	endless.Close()
	<-ended
}

// FuzzRequest sends any bytes to the server: it closes the connection, or
// answers, in bounded time and memory, and serves others as before.
func FuzzRequest(f *testing.F) {
	m := serveFakes(f)
	m.mount.busy = true // or the first unmount would be the end
	for _, text := range []string{
		"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/events?types=miss HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /v1/flush HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n{\"timeout\":\"10ms\"}",
		"POST /v1/unmount HTTP/1.0\r\nContent-Length: 15\r\n\r\n{\"busy\":\"lazy\"}",
		"POST /v1/fetch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{\"keys\":[\"../a\"]}\r\n0\r\n\r\n",
		"GET /v1/remote/list?prefix=.. HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT /v1/status HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", "\x00", "",
	} {
		f.Add([]byte(text))
	}
	const input, memory, limit = 64 << 10, 64 << 20, 30 * time.Second
	f.Fuzz(func(t *testing.T, text []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		conn := m.connect(t, string(text[:min(len(text), input)]))
		// It may be gone by now.
		_ = conn.CloseWrite()
		isClosed(t, conn)
		conn.Close()
		if took := time.Since(begun); took > limit {
			t.Errorf("took %v", took)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > memory {
			t.Errorf("%d bytes allocated", used)
		}
		m.answers(t)
	})
}

// FuzzWire: a name is one word of a line on its way, and comes out as it went in.
func FuzzWire(f *testing.F) {
	f.Add("12 34 ab/cd/sstate:a", "%00%zz", int64(5))
	f.Add("-1 - %2e%2e", "\n", int64(-1))
	f.Fuzz(func(t *testing.T, line, name string, size int64) {
		_, _ = parseTime(line)
		_, _ = fields(line, 3)
		word := string(appendWord(nil, name))
		if strings.ContainsAny(word, " \n\r\x00") {
			t.Errorf("%q is written as %q: more than a word", name, word)
		}
		if back, err := unescaped(word); err != nil || string(back) != name {
			t.Errorf("%q comes back as %q, %v", name, back, err)
		}
		if back, err := unescaped(escaped(remote.Key(name))); err != nil || string(back) != name {
			t.Errorf("%q comes back as %q, %v", name, back, err)
		}
	})
}

// FuzzMountTable reads what the kernel says of mounts, in which others have
// written names and options.
func FuzzMountTable(f *testing.F) {
	f.Add("36 35 98:0 / /mnt rw,noatime master:1 - fuse.sstatefs /a\\040b rw,user_id=1000,group_id=1\n")
	f.Add("36 35 0:52 / /m - a b c\n1 2 3:x / / rw - t s\n")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := parseTable(strings.NewReader(text))
		if err == nil && len(table) > strings.Count(text, "\n")+1 {
			t.Errorf("%d mounts in %q", len(table), text)
		}
		if _, err := table.Resolve("/proc/self/fd"); err != nil && !strings.HasPrefix(err.Error(), "/") {
			t.Logf("Resolve: %v", err)
		}
	})
}
