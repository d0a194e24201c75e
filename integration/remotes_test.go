package integration

import (
	"slices"
	"testing"
	"time"

	"sstatefs/integration/proxy"
	"sstatefs/integration/servers"
)

// A place is a kind of remote, and the way to it.
type place struct {
	name  string
	kind  servers.Kind  // empty: a directory
	query string        // of a directory's address
	rtt   time.Duration // that the way to a server adds
}

// index tells whether the mount answers lookups from an index here. Then it
// learns from a listing what other hosts did.
func (p place) index() bool { return p.kind != "" || p.query != "" }

// directory is looked up in name by name.
func directory() place { return place{name: "directory"} }

// indexed is a directory that is looked up in through an index, as NFS is.
func indexed() place { return place{name: "indexed", query: "?index=always"} }

// far is how far away a server is that is not in the same house.
const far = 20 * time.Millisecond

// near are a server of each protocol with plain files behind it.
func near() []place {
	return []place{
		{name: string(servers.Versitygw), kind: servers.Versitygw},
		{name: string(servers.Apache), kind: servers.Apache},
	}
}

// distant are the same ones, some way off.
func distant() []place {
	all := near()
	for i := range all {
		all[i].rtt = far
		all[i].name += "-" + far.String()
	}
	return all
}

// others are the servers that run the short set of tests only.
func others() []place {
	var all []place
	for _, kind := range append(servers.S3(), servers.WebDAV()...) {
		if kind != servers.Versitygw && kind != servers.Apache {
			all = append(all, place{name: string(kind), kind: kind})
		}
	}
	return all
}

// forEachRemote runs a test on every kind of remote whose objects are plain
// files, which the test may look at and change.
func forEachRemote(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	onRemotes(t, slices.Concat([]place{directory()}, near(), distant()), test)
}

// forEachLookup is forEachRemote, with the directory looked up in both ways.
func forEachLookup(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	onRemotes(t, slices.Concat([]place{directory(), indexed()}, near(), distant()), test)
}

// forEachIndex is forEachRemote with a directory that needs an index.
func forEachIndex(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	onRemotes(t, slices.Concat([]place{indexed()}, near(), distant()), test)
}

// forEachServer runs a test on every kind of remote there is. MinIO's objects
// are no plain files: such a test uses what farside_test.go has for all.
func forEachServer(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	onRemotes(t, slices.Concat([]place{directory()}, near(), distant(), others()), test)
}

// modes are the values of --publish.
var modes = []string{"through", "queue"}

// forEachMode runs a test in each mode on some remotes.
func forEachMode(t *testing.T, places []place, test func(t *testing.T, s *site, mode string)) {
	t.Helper()
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			onRemotes(t, places, func(t *testing.T, s *site) { test(t, s, mode) })
		})
	}
}

// here are the remotes of tests whose time has nothing to do with distance.
func here() []place { return append(near(), directory()) }

// onRemotes runs a test on each of some remotes. Most of it is waiting: it goes
// beside all others of the kind.
func onRemotes(t *testing.T, places []place, test func(t *testing.T, s *site)) {
	t.Helper()
	t.Parallel()
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			test(t, newSiteOn(t, p))
		})
	}
}

// newSite is a site whose remote is a directory.
func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteOn(t, directory())
}

// newSiteOn makes a folder that every user can reach, and a remote. After the
// test nothing is mounted in the folder and no process uses it.
func newSiteOn(t *testing.T, p place) *site {
	t.Helper()
	s := makeSite(t)
	s.place = p
	if p.kind == "" {
		s.remote = s.mkdir("remote", 0o775)
		s.address = s.remote
		if p.query != "" {
			s.address = "file://" + s.remote + p.query
		}
	} else {
		s.serve(p)
	}
	t.Cleanup(s.close) // before the server goes
	return s
}

// rootName is the prefix or folder of a server that is the remote: one that has
// to be escaped in addresses.
const rootName = "team/sstate+1 cache"

// serve starts the server of a site.
func (s *site) serve(p place) {
	s.t.Helper()
	s.server = servers.Start(s.t, p.kind)
	s.root = s.server.Sub(s.t, rootName)
	s.remote, s.address = s.root.Data, s.root.Address
	if p.rtt > 0 {
		s.address = s.root.AddressAt(proxy.Latency(s.t, s.server.URL, p.rtt).URL)
	}
}
