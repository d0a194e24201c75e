package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"sstatefs/integration/servers"
)

// stock is what is published in tests of faults, made once for all of them.
type stock struct {
	dir  string
	sums map[string]string
}

// largeBytes is the size of an object that is read while it comes.
const largeBytes = 3 << 20

// Keys of a stock: cached ones are on the remote and in the cache of the mount
// that is looked at, far ones on the remote only, and the others are published
// during the fault and after it.
var afterwards = [2]string{"after", "afterwards"}

func cachedKeys() []string { return paired("cached", 3) }
func farKeys() []string    { return paired("far", 3) }
func largeKeys() []string  { return archives("large", 1) }

// moreKeys make a remote so large that a loss of most of it is doubted.
func moreKeys() []string { return with(archives("more", 24), ".siginfo") }

// addMore puts them there.
func (tr *trial) addMore() {
	tr.t.Helper()
	tr.far = append(tr.far, moreKeys()...)
	for _, key := range moreKeys() {
		content, err := os.ReadFile(filepath.Join(tr.stock.dir, key))
		if err != nil {
			tr.t.Fatal(err)
		}
		tr.s.put(key, string(content))
	}
}

// paired are archives, each after its siginfo.
func paired(recipe string, n int) []string {
	var keys []string
	for _, key := range archives(recipe, n) {
		keys = append(keys, key+".siginfo", key)
	}
	return keys
}

func newStock(t *testing.T) stock {
	t.Helper()
	s := makeSite(t)
	t.Cleanup(s.close)
	st := stock{dir: s.mkdir("stock", 0o755)}
	st.sums = s.build("archive", st.dir, slices.Concat(cachedKeys(), farKeys(),
		moreKeys(), paired("through", 2), paired("queue", 2), paired(afterwards[0], 1), paired(afterwards[1], 1))).acknowledged()
	for _, key := range largeKeys() {
		st.sums[key] = st.makeLarge(t, key)
	}
	return st
}

// makeLarge makes an archive that can be read while it comes.
func (st stock) makeLarge(t *testing.T, key string) (sha256 string) {
	t.Helper()
	noise := make([]byte, largeBytes)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(noise)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(st.dir, key)
	err = os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, enc.EncodeAll(tarOf(t, noise), nil), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sum(path)
}

// A trial is a remote with a fault, and two mounts of it. One of them knows what
// the remote holds. The other was mounted during the fault, without an index,
// and answers publishes at once.
type trial struct {
	s      *site
	t      *testing.T
	stock  stock
	listed *mount
	fresh  *mount
	far    []string // what is found and read afterwards
}

// newTrial makes a place of its own on a server, for one fault.
func newTrial(t *testing.T, st stock, server *servers.Server, f fault) *trial {
	t.Helper()
	s := makeSite(t)
	t.Cleanup(s.close)
	if f.disk {
		s.underDisk(server.Data)
	}
	s.place = place{name: string(server.Kind), kind: server.Kind}
	s.server, s.root = server, server.Sub(t, rootName+" "+f.name)
	s.remote, s.address = s.root.Data, s.root.Address
	return &trial{s: s, t: t, stock: st, far: slices.Concat(farKeys(), largeKeys())}
}

// underDisk puts a disk of 32 MiB in the place of an empty folder.
func (s *site) underDisk(dir string) {
	s.t.Helper()
	needsRoot(s.t)
	var was unix.Stat_t
	err := unix.Stat(dir, &was)
	if err == nil {
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("mode=755,size=32M,uid=%d,gid=%d", was.Uid, was.Gid))
	}
	if err != nil {
		s.t.Fatalf("tmpfs on %s: %v", dir, err)
	}
	s.disks = append(s.disks, dir)
}

// trialTimeout is --publish-timeout of the mounts.
const trialTimeout = 3 * time.Second

func (tr *trial) flags(more ...string) []string {
	return append(more, "--publish-timeout="+trialTimeout.String(), "--refresh=2s", "--drain-timeout=1s")
}

// prepare fills the remote and a cache, as two hosts do.
func (tr *trial) prepare() {
	tr.t.Helper()
	keys := slices.Concat(cachedKeys(), farKeys(), largeKeys())
	tr.fresh = tr.s.mount("fresh", tr.flags("--publish=queue")...)
	tr.s.self().timed(tr.publishing(tr.fresh, keys)...).all(tr.t, "publish", "")
	tr.fresh.flush()
	tr.fresh.stop()
	if err := os.RemoveAll(filepath.Join(tr.fresh.cache, "index")); err != nil {
		tr.t.Fatal(err)
	}
	tr.listed = tr.s.mount("listed", tr.flags()...)
	tr.listed.holds(tr.stock.of(cachedKeys()))
	eventually(tr.t, startLimit, "everything is listed", func() bool {
		status := tr.listed.status()
		complete, _ := status.find("index.complete")
		return complete == true && status.number(tr.t, "index.objects") >= int64(len(keys))
	})
}

// of picks sums.
func (st stock) of(keys []string) map[string]string {
	some := map[string]string{}
	for _, key := range keys {
		some[key] = st.sums[key]
	}
	return some
}

// publishing are the calls that publish keys of the stock: by rename a
// siginfo, by link an archive.
func (tr *trial) publishing(m *mount, keys []string) (calls [][]any) {
	for _, key := range keys {
		tmp := m.path(key) + "xxxxxxxx"
		calls = append(calls, []any{"makedirs", m.path(filepath.Dir(key)), 0o775, true}, []any{"copy", filepath.Join(tr.stock.dir, key), tmp})
		if strings.HasSuffix(key, ".siginfo") {
			calls = append(calls, []any{"rename", tmp, m.path(key)})
		} else {
			calls = append(calls, []any{"link", tmp, m.path(key)}, []any{"unlink", tmp})
		}
	}
	return calls
}

// on are calls of one name for some keys.
func on(m *mount, name string, keys []string) (calls [][]any) {
	for _, key := range keys {
		calls = append(calls, []any{name, m.path(key)})
	}
	return calls
}

// following are calls that read objects while they come.
func (tr *trial) following(keys []string) (calls [][]any) {
	for _, key := range keys {
		calls = append(calls, []any{"follow", tr.listed.path(key), filepath.Join(tr.stock.dir, key)})
	}
	return calls
}

// outcome is what timed calls came to.
type outcome struct {
	took time.Duration
	ends []end
}

type end struct {
	OK    any
	Errno string
}

// timed makes calls, one after the other.
func (a *actor) timed(calls ...[]any) outcome {
	a.s.t.Helper()
	args := make([]any, len(calls))
	for i, call := range calls {
		args[i] = call
	}
	a.begin("timed", args...)
	v, _ := a.finish()
	text, err := json.Marshal(v)
	var answer struct {
		Seconds float64
		Ends    []end
	}
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || len(answer.Ends) != len(calls) {
		a.s.t.Errorf("actor: %v: %s", err, text)
	}
	return outcome{time.Duration(answer.Seconds * float64(time.Second)), answer.Ends}
}

// all checks that every call ended with errno, "" for success.
func (o outcome) all(t *testing.T, what, errno string) {
	t.Helper()
	for i, e := range o.ends {
		if e.Errno != errno {
			t.Errorf("%s, call %d: %q, want %q", what, i, e.Errno, errno)
			return
		}
	}
}

// A timing is calls that are timed together, by name.
type timing struct {
	name  string
	calls [][]any
}

// measure makes all that is timed at the same time, each line by a process of its
// own: everyone meets the fault, and nobody an answer that another had to wait
// for. The fresh mount is made meanwhile.
func (tr *trial) measure(f fault) map[string]outcome {
	tr.t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	got := map[string]outcome{}
	line := func(a *actor, steps ...timing) {
		all.Go(func() {
			for _, s := range steps {
				o := a.timed(s.calls...)
				mu.Lock()
				got[s.name] = o
				mu.Unlock()
			}
		})
	}
	defer all.Wait()
	line(tr.s.self(), timing{"listed", on(tr.listed, "stat", archives("absent", 50))},
		timing{"cached", on(tr.listed, "digest", cachedKeys())}, timing{"touch", on(tr.listed, "utime", cachedKeys())})
	line(tr.s.self(), timing{"open", on(tr.listed, "digest", farKeys()[1:2])})
	if !f.crawls {
		line(tr.s.self(), timing{"stream", tr.following(largeKeys())})
	}
	line(tr.s.self(), timing{"publish", tr.publishing(tr.listed, paired("through", 2))})
	tr.fresh.start()
	line(tr.s.self(), timing{"new", on(tr.fresh, "stat", archives("absent", 50))},
		timing{"queue", tr.publishing(tr.fresh, paired("queue", 2))})
	all.Wait()
	return got
}

// isRight checks that all that is on the remote or in a cache is what was
// published under its name.
func (tr *trial) isRight() {
	tr.t.Helper()
	for _, m := range []*mount{tr.listed, tr.fresh} {
		for _, name := range files(tr.t, filepath.Join(m.cache, "objects")) {
			if got := sum(filepath.Join(m.cache, "objects", name)); got != tr.stock.sums[name] {
				tr.t.Errorf("mount %s caches other bytes of %s: %s", m.name, name, got)
			}
		}
	}
	if _, err := os.Lstat(tr.s.remote); os.IsNotExist(err) {
		return // that is the fault
	}
	for _, name := range tr.s.names() {
		if got := tr.s.sum(name); got != tr.stock.sums[name] && !leftover.MatchString(name) && tr.s.has(name) {
			tr.t.Errorf("the remote holds %s under %s", got, name)
		}
	}
}
