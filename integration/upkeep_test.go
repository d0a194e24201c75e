package integration

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sstatefs/integration/servers"
)

// An upkeepRow is one row of the table of maintenance: a verb, or some that
// belong together.
type upkeepRow struct {
	name string
	test func(k *keeper)
}

func upkeepRows() []upkeepRow {
	return []upkeepRow{
		{"look", (*keeper).look},
		{"clean-by-age", (*keeper).cleanByAge},
		{"clean-by-size", (*keeper).cleanBySize},
		{"clean-duplicated", (*keeper).cleanDuplicated},
		{"remove", (*keeper).remove},
		{"upload", (*keeper).upload},
		{"upload-resumed", (*keeper).uploadResumed},
		{"explain", (*keeper).explain},
		{"verify", (*keeper).verify},
		{"fetch", (*keeper).fetch},
	}
}

// TestUpkeep is the table of maintenance: each verb on each kind of remote,
// directly and through a mount of it. The far side is looked at without the
// program. After a row through a mount that mount knows what was changed, with
// no command to tell it.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	for _, p := range upkeepPlaces() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			shared := newSiteOn(t, p)
			for _, way := range []string{"directly", "mounted"} {
				t.Run(way, func(t *testing.T) {
					t.Parallel()
					k := newKeeper(t, shared, way)
					for _, row := range upkeepRows() {
						t.Run(row.name, func(t *testing.T) {
							k.begin(t)
							row.test(k)
						})
					}
				})
			}
		})
	}
}

// upkeepPlaces are a directory and a server of each make.
func upkeepPlaces() []place {
	all := []place{directory()}
	for _, kind := range []servers.Kind{servers.Versitygw, servers.MinIO, servers.Apache, servers.Nginx, servers.RcloneWebDAV} {
		all = append(all, place{name: string(kind), kind: kind})
	}
	return all
}

// room is a site on the server of another one, with a remote of its own.
func (s *site) room(t *testing.T, name string) *site {
	t.Helper()
	r := makeSite(t)
	r.place, r.server = s.place, s.server
	if s.server == nil {
		r.remote = r.mkdir("remote", 0o775)
		r.address = r.remote
	} else {
		r.root = s.server.Sub(t, name)
		r.remote, r.address = r.root.Data, r.root.Address
	}
	t.Cleanup(r.close)
	return r
}

// A keeper looks after a remote in one of two ways.
type keeper struct {
	t *testing.T
	s *site
	m *mount // nil: directly

	// past is between what is to count as old and what came later, where times
	// cannot be set.
	past time.Time
}

// newKeeper is one for all rows, whose recipes are different ones.
func newKeeper(t *testing.T, shared *site, way string) *keeper {
	t.Helper()
	k := &keeper{t: t, s: shared.room(t, "upkeep+ "+way)}
	if way == "mounted" {
		k.m = k.s.mount("a", k.mountFlags()...)
	}
	return k
}

// begin begins a row with an empty remote. What fails is the row's until its
// end.
func (k *keeper) begin(t *testing.T) {
	t.Helper()
	way := k.t
	k.belongTo(t)
	t.Cleanup(func() { k.belongTo(way) })
	k.s.drop(k.s.names()...)
	k.knows()
}

func (k *keeper) belongTo(t *testing.T) {
	k.t, k.s.t = t, t
	for _, m := range k.s.mounts {
		m.t = t
	}
}

// mountFlags lets what is a few seconds old be touched where nothing can be
// made to look older.
func (k *keeper) mountFlags() []string {
	if k.canAge() {
		return nil
	}
	return []string{"--touch-interval=1s"}
}

// there is what stands for the target in arguments.
const there = "TARGET"

// ask runs the program, which has to end with a code, and returns what it
// printed.
func (k *keeper) ask(code int, args ...string) string {
	k.t.Helper()
	r := k.s.run(os.Getuid(), binary, k.aimed(args)...)
	if r.code != code {
		k.t.Fatalf("sstatefs %s: exit %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r.stdout
}

// aimed puts the target in its place.
func (k *keeper) aimed(args []string) []string {
	args = slices.Clone(args)
	if i := slices.Index(args, there); i >= 0 {
		args[i] = k.s.address
		if k.m != nil {
			args[i] = k.m.point
		}
	}
	return args
}

// told reads what the program printed with --json.
func told[T any](k *keeper, text string) T {
	k.t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		k.t.Fatalf("not what was expected as JSON: %v\n%s", err, text)
	}
	return v
}

// stores puts objects on the remote, as others do.
func (k *keeper) stores(all goods) {
	k.t.Helper()
	for _, key := range all.keys() {
		k.s.put(key, all[key])
	}
}

// holds checks that the remote holds these files and no others.
func (k *keeper) holds(want ...string) {
	k.t.Helper()
	got := k.s.names()
	if got, want := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		k.t.Errorf("the remote holds\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// knows lets the mount look at objects before they go, so that the kernel and it
// remember them. To read one would be to use it.
func (k *keeper) knows(keys ...string) {
	k.t.Helper()
	if k.m == nil {
		return
	}
	k.m.learn()
	for _, key := range keys {
		if _, err := os.Lstat(k.m.path(key)); err != nil {
			k.t.Errorf("through the mount: %v", err)
		}
	}
}

// shows checks that objects can be read through the mount.
func (k *keeper) shows(all goods, keys ...string) {
	k.t.Helper()
	if k.m == nil {
		return
	}
	for _, key := range keys {
		var content []byte
		var err error
		ok := within(quick, func() bool {
			content, err = os.ReadFile(k.m.path(key))
			return err == nil && string(content) == all[key]
		})
		if !ok {
			k.t.Errorf("through the mount %s has %d bytes, want %d (%v)", key, len(content), len(all[key]), err)
		}
	}
}

// misses checks that objects are gone from the mount.
func (k *keeper) misses(keys ...string) {
	k.t.Helper()
	if k.m == nil {
		return
	}
	for _, key := range keys {
		var err error
		ok := within(quick, func() bool {
			_, err = os.Lstat(k.m.path(key))
			return errors.Is(err, fs.ErrNotExist)
		})
		if !ok {
			k.t.Errorf("through the mount %s: %v, want that it does not exist", key, err)
		}
	}
}
