package remotetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"sstatefs/remote"
)

// patience bounds every test of the Suite: a disk that other tests have sync all
// the time makes a server slow.
const patience = 2 * time.Minute

// A Harness is one fresh, empty remote and what the Suite may do with it. Only
// Remote is required.
type Harness struct {
	Remote remote.Remote

	// Now is the remote's clock (time.Now).
	Now func() time.Time

	// Address and Env let a child process open the same remote, see Child.
	// Without an address the test of killed writers is left out.
	Address string
	Env     []string

	// HideRoot makes the root vanish as an unmounted server does; what it
	// returns brings it back. It fails the test if something was made in the
	// root's place. Nil for remotes that have no such thing.
	HideRoot func(t *testing.T) (show func())

	// Broken names tests of promises that the server itself breaks, each with
	// what it does instead.
	Broken map[string]string
}

// Guarded puts a guard around each remote: it takes no promise away.
func Guarded(open func(t *testing.T) Harness) func(t *testing.T) Harness {
	return func(t *testing.T) Harness {
		h := open(t)
		g := remote.NewGuard(h.Remote, remote.GuardOptions{ProbeInterval: 1})
		t.Cleanup(func() {
			if err := g.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		h.Remote = g
		return h
	}
}

// Suite runs all tests of promises. Each gets a remote of its own from open,
// which registers its cleanup with t.
func Suite(t *testing.T, open func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"Create", testCreate},
		{"CreateRace", testCreateRace},
		{"Replace", testReplace},
		{"BadSource", testBadSource},
		{"CancelPut", testCancelPut},
		{"Killed", testKilled},
		{"Cancelled", testCancelled},
		{"CancelBody", testCancelBody},
		{"Names", testOddNames},
		{"InvalidKeys", testInvalidKeys},
		{"Get", testGet},
		{"Empty", testEmpty},
		{"Large", testLarge},
		{"List", testList},
		{"ListWhileChanging", testListWhileChanging},
		{"ListError", testListError},
		{"Sweep", testSweep},
		{"Folders", testFolders},
		{"Delete", testDelete},
		{"DeleteAndPut", testDeleteAndPut},
		{"Touch", testTouch},
		{"TouchRemoved", testTouchRemoved},
		{"Refresh", testRefresh},
		{"HiddenRoot", testHiddenRoot},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // most of the time a disk or server syncs
			h := open(t)
			if h.Now == nil {
				h.Now = time.Now
			}
			if why := h.Broken[test.name]; why != "" {
				t.Skip(why)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			test.run(&suite{T: t, Harness: h, r: h.Remote, ctx: ctx})
		})
	}
}

// A suite is one test and its remote.
type suite struct {
	*testing.T
	Harness
	r   remote.Remote
	ctx context.Context
}

// Bytes is a Source.
type Bytes []byte

// Size see remote.Source.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Open see remote.Source.
func (b Bytes) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }

// Key gives the n-th of many different keys of the usual shape.
func Key(n int) remote.Key {
	hash := fmt.Sprintf("%02x%02x%060x", n%7, n%13, n)
	return remote.Key(fmt.Sprintf("%s/%s/sstate:zlib:core2-64-poky-linux:1.3.1:r0:core2-64:14:%s_populate_sysroot.tar.zst",
		hash[:2], hash[2:4], hash))
}

// Pattern gives n bytes that differ from place to place and from seed to seed.
func Pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func (s *suite) put(key remote.Key, content []byte, opt remote.PutOptions) {
	s.Helper()
	if err := s.r.Put(s.ctx, key, Bytes(content), opt); err != nil {
		s.Fatalf("Put(%q) = %v, want success", key, err)
	}
}

func (s *suite) create(key remote.Key, content []byte) {
	s.Helper()
	s.put(key, content, remote.PutOptions{Create: true})
}

// get reads a whole object.
func (s *suite) get(key remote.Key) ([]byte, error) {
	body, info, err := s.r.Get(s.ctx, key, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err == nil && int64(len(content)) != info.Size {
		err = fmt.Errorf("body has %d bytes, Info.Size says %d", len(content), info.Size)
	}
	return content, err
}

func (s *suite) wantContent(key remote.Key, want []byte) {
	s.Helper()
	got, err := s.get(key)
	if err != nil || !bytes.Equal(got, want) {
		s.Errorf("Get(%q) = %d bytes, %v, want the %d bytes put", key, len(got), err, len(want))
	}
	info, err := s.r.Stat(s.ctx, key)
	if err != nil || info.Size != int64(len(want)) || info.Key != key {
		s.Errorf("Stat(%q) = %+v, %v, want size %d", key, info, err, len(want))
	}
}

// wantAbsent checks every way to see an object.
func (s *suite) wantAbsent(key remote.Key) {
	s.Helper()
	if _, err := s.r.Stat(s.ctx, key); !errors.Is(err, remote.ErrNotExist) {
		s.Errorf("Stat(%q) = %v, want %v", key, err, remote.ErrNotExist)
	}
	if _, err := s.get(key); !errors.Is(err, remote.ErrNotExist) {
		s.Errorf("Get(%q) = %v, want %v", key, err, remote.ErrNotExist)
	}
	if _, listed := s.list("")[key]; listed {
		s.Errorf("List shows %q", key)
	}
}

// list gives what is below prefix, nothing for a remote that cannot.
func (s *suite) list(prefix string) map[remote.Key]remote.Info {
	s.Helper()
	all := make(map[remote.Key]remote.Info)
	if s.r.Traits().NoList {
		return all
	}
	err := s.r.List(s.ctx, prefix, func(info remote.Info) error {
		if _, twice := all[info.Key]; twice {
			s.Errorf("List(%q) gives %q twice", prefix, info.Key)
		}
		all[info.Key] = info
		return nil
	})
	if err != nil {
		s.Fatalf("List(%q) = %v, want success", prefix, err)
	}
	return all
}

// wantNoLeftovers checks that nothing invisible stays behind either. A Put
// whose caller was released may take a moment to tidy up.
func (s *suite) wantNoLeftovers() {
	s.Helper()
	var left []remote.Info
	if !Eventually(func() bool { left = s.leftovers(); return len(left) == 0 }) {
		s.Errorf("leftovers stay behind: %v", left)
	}
}

// Eventually waits up to 10 s for a condition and tells whether it came true.
func Eventually(condition func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func (s *suite) leftovers() (all []remote.Info) {
	s.Helper()
	lister, ok := s.r.(remote.LeftoverLister)
	if !ok {
		return nil
	}
	err := lister.Leftovers(s.ctx, func(info remote.Info) error {
		all = append(all, info)
		return nil
	})
	if err != nil && !errors.Is(err, remote.ErrUnsupported) {
		s.Errorf("Leftovers = %v, want success", err)
	}
	return all
}

// needList skips a test of listings where there are none.
func (s *suite) needList() {
	s.Helper()
	if s.r.Traits().NoList {
		err := s.r.List(s.ctx, "", func(remote.Info) error { return nil })
		if !errors.Is(err, remote.ErrUnsupported) {
			s.Errorf("List = %v, want %v", err, remote.ErrUnsupported)
		}
		s.Skip("this remote cannot list")
	}
}
