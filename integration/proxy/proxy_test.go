package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is when a request that hangs is given up.
const patience = 200 * time.Millisecond

// A memory is a server that keeps what is put.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	hosts   []string
	broken  int // bodies that ended early
}

func (m *memory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(r.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hosts = append(m.hosts, r.Host)
	switch {
	case err != nil:
		m.broken++
	case r.Method == http.MethodPut:
		m.objects[r.RequestURI] = content
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(m.objects[r.RequestURI]))
	}
}

func (m *memory) get(uri string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.objects[uri]
}

func (m *memory) brokenBodies() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.broken
}

var content = []byte(strings.Repeat("0123456789abcdef", 64))

// start gives a proxy before a server that holds an object "/a".
func start(t *testing.T) (*Proxy, *memory) {
	t.Helper()
	m := &memory{objects: map[string][]byte{"/a": content}}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return Start(t, server.URL), m
}

func do(p *Proxy, method, uri string, body []byte) (int, []byte, error) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequest(method, p.URL+uri, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, got, err
}

func wantWell(t *testing.T, p *Proxy) {
	t.Helper()
	if code, got, err := do(p, "GET", "/a", nil); code != 200 || !bytes.Equal(got, content) || err != nil {
		t.Errorf("GET = %d, %d bytes, %v, want the content", code, len(got), err)
	}
}

func TestNothingChanges(t *testing.T) {
	p, m := start(t)
	const uri = "/x%2By:z%20~?list-type=2&a=%2F"
	if code, _, err := do(p, "PUT", uri, content); code != 200 || err != nil {
		t.Fatalf("PUT = %d, %v", code, err)
	}
	if !bytes.Equal(m.get(uri), content) {
		t.Errorf("the server has not got %s", uri)
	}
	if m.hosts[0] != strings.TrimPrefix(p.URL, "http://") {
		t.Errorf("the server saw host %q, want that of %s", m.hosts[0], p.URL)
	}
	if code, _, err := do(p, "GET", uri, nil); code != 200 || err != nil {
		t.Errorf("GET = %d, %v", code, err)
	}
	if got := p.Counts(); got["PUT"] != 1 || got["LIST"] != 1 || len(got) != 2 {
		t.Errorf("Counts = %v, want one PUT and one LIST", got)
	}
}

func TestFaults(t *testing.T) {
	timeout := func(err error) bool {
		var e interface{ Timeout() bool }
		return errors.As(err, &e) && e.Timeout()
	}
	broken := func(err error) bool { return err != nil && !timeout(err) }
	for name, tt := range map[string]struct {
		fault Fault
		bytes int
		code  int
		is    func(error) bool
	}{
		"refuse":         {Refuse(), 0, 0, func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		"black hole":     {BlackHole(), 0, 0, timeout},
		"status":         {Status(503), 0, 503, nil},
		"status another": {Status(503).On("PUT"), len(content), 200, nil},
		"stall":          {Stall(100), 100, 200, timeout},
		"drop":           {Drop(100), 100, 200, broken},
		"drop long":      {Drop(int64(len(content))), len(content), 200, nil},
		"reset":          {Reset(100), -1, 200, func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		"too many":       {TooMany(time.Hour), 0, 429, nil},
		"delay":          {Delay(time.Hour), 0, 0, timeout},
		"truncate":       {Truncate(100), 100, 200, nil},
		"slow":           {Slow(100), 10, 200, timeout},
		"lose":           {LoseAnswer().On("GET"), 0, 0, broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := start(t)
			p.Set(tt.fault)
			code, got, err := do(p, "GET", "/a", nil)
			if tt.bytes < 0 {
				tt.bytes = min(len(got), 100) // a reset may take what came before with it
			}
			if code != tt.code || len(got) != tt.bytes || !bytes.Equal(got, content[:tt.bytes]) {
				t.Errorf("GET = %d, %d bytes, want %d, %d", code, len(got), tt.code, tt.bytes)
			}
			if tt.is == nil && err != nil || tt.is != nil && !tt.is(err) {
				t.Errorf("error %v is not the one of this fault", err)
			}
			p.Heal()
			wantWell(t, p)
		})
	}
}

func TestMangle(t *testing.T) {
	p, _ := start(t)
	p.Set(Mangle())
	code, got, err := do(p, "GET", "/a", nil)
	if code != 200 || err != nil || len(got) != len(content) || bytes.Equal(got, content) {
		t.Errorf("GET = %d, %d bytes, %v, want other bytes of the same length", code, len(got), err)
	}
}

// TestListings changes what listings say, and nothing else.
func TestListings(t *testing.T) {
	const one = `<Contents><Key>ab/sstate:x</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents>`
	const dir = `<D:response xmlns:D="DAV:"><D:href>/sstate/ab/</D:href></D:response>`
	const two = `<D:response xmlns:D="DAV:"><D:href>/sstate/ab/sstate%3ax</D:href>` +
		`<lp1:getlastmodified>Fri, 02 Jan 2026 23:04:05 GMT</lp1:getlastmodified></D:response>`
	for _, tt := range []struct {
		fault Fault
		want  string
	}{
		{Repeat(), "<a>" + one + one + dir + two + two + "</a>"},
		{Omit(), "<a>" + dir + "</a>"},
		{Skew(5 * time.Hour), strings.NewReplacer("T03", "T08", "Fri, 02 Jan 2026 23", "Sat, 03 Jan 2026 04").
			Replace("<a>" + one + dir + two + "</a>")},
		{Repeat().On("PUT"), "<a>" + one + dir + two + "</a>"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/xml")
			_, _ = io.WriteString(w, "<a>"+one+dir+two+"</a>")
		}))
		p := Start(t, server.URL)
		p.Set(tt.fault)
		if code, got, err := do(p, "GET", "/?list-type=2", nil); code != 200 || err != nil || string(got) != tt.want {
			t.Errorf("%+v: listing = %d, %v\n%s, want\n%s", tt.fault, code, err, got, tt.want)
		}
		server.Close()
	}
}

// TestBrokenPut breaks off the body of a request: the server sees it broken.
func TestBrokenPut(t *testing.T) {
	for name, fault := range map[string]Fault{"drop": Drop(100), "stall": Stall(100)} {
		p, m := start(t)
		p.Set(fault)
		if _, _, err := do(p, "PUT", "/b", content); err == nil {
			t.Errorf("%s: PUT succeeds", name)
		}
		p.Heal()
		for deadline := time.Now().Add(10 * time.Second); m.brokenBodies() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the server never saw the request break", name)
			}
		}
		if m.get("/b") != nil {
			t.Errorf("%s: the object is there", name)
		}
	}
}

func TestLostAnswer(t *testing.T) {
	p, m := start(t)
	p.Set(LoseAnswer().Times(1))
	if _, _, err := do(p, "PUT", "/b", content); err == nil {
		t.Error("PUT succeeds, want its answer lost")
	}
	if !bytes.Equal(m.get("/b"), content) {
		t.Error("the server has not done it")
	}
	if code, _, err := do(p, "PUT", "/b", content); code != 200 || err != nil {
		t.Errorf("second PUT = %d, %v, want success", code, err)
	}
	if got := p.Hit(); got != 2 {
		t.Errorf("Hit = %d, want 2", got)
	}
}

func TestEvery(t *testing.T) {
	p, _ := start(t)
	p.Set(Status(500).Every(3).Times(2))
	var got []int
	for range 9 {
		code, _, _ := do(p, "GET", "/a", nil)
		got = append(got, code)
	}
	for i, code := range got {
		want := 200
		if i == 2 || i == 5 {
			want = 500
		}
		if code != want {
			t.Errorf("request %d = %d, want %d", i+1, code, want)
		}
	}
}

// TestRefuseEndsConnections holds one open.
func TestRefuseEndsConnections(t *testing.T) {
	p, _ := start(t)
	p.Set(Stall(10))
	done := make(chan error)
	go func() {
		resp, err := http.Get(p.URL + "/a")
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		done <- err
	}()
	for deadline := time.Now().Add(10 * time.Second); p.Hit() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	p.Set(Refuse())
	if err := <-done; err == nil {
		t.Error("the connection outlived the refusal")
	}
}

func TestLatency(t *testing.T) {
	const rtt = 100 * time.Millisecond
	m := &memory{objects: map[string][]byte{"/a": bytes.Repeat(content, 1000)}}
	server := httptest.NewServer(m)
	defer server.Close()
	l := Latency(t, server.URL, rtt)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i, want := range []time.Duration{2 * rtt, rtt} {
		begin := time.Now()
		resp, err := client.Get(l.URL + "/a")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || len(got) != len(content)*1000 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		// A megabyte is on its way at once and costs no more round trips.
		if took := time.Since(begin); took < want || took > want+8*rtt {
			t.Errorf("request %d took %v, want little more than %v", i, took, want)
		}
	}
}

// TestLink holds a rate to what all connections get together, each way.
func TestLink(t *testing.T) {
	const perSecond, each, clients = 10_000_000, 500_000, 2
	m := &memory{objects: map[string][]byte{"/a": make([]byte, each)}}
	server := httptest.NewServer(m)
	defer server.Close()
	l := Link(t, server.URL, 0, perSecond)
	transfers := map[string]func(client *http.Client) (*http.Response, error){
		"down": func(client *http.Client) (*http.Response, error) { return client.Get(l.URL + "/a") },
		"up": func(client *http.Client) (*http.Response, error) {
			req, err := http.NewRequest(http.MethodPut, l.URL+"/b", bytes.NewReader(make([]byte, each)))
			if err != nil {
				return nil, err
			}
			return client.Do(req)
		},
	}
	for way, transfer := range transfers {
		begin := time.Now()
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				resp, err := transfer(client)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if n, err := io.Copy(io.Discard, resp.Body); err != nil || way == "down" && n != each {
					t.Errorf("%s: %d bytes, %v", way, n, err)
				}
			})
		}
		all.Wait()
		// Less what passes at once, and what nobody naps for.
		least := time.Duration(float64(clients*each)/perSecond*float64(time.Second)) - lateness - nap
		if took := time.Since(begin); took < least || took > 20*least {
			t.Errorf("%s took %v, want little more than %v", way, took, least)
		}
	}
}
