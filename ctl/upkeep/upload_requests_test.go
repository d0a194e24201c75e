package upkeep_test

import (
	"os"
	"path/filepath"
	"testing"

	"sstatefs/ctl/upkeep"
	"sstatefs/integration/servers"
	"sstatefs/remote"
)

// TestUploadRequests counts what upload asks of an object store: for 2,000
// files of which 1,900 are there at most 110 requests, the trials of a server
// that was never used before included.
func TestUploadRequests(t *testing.T) {
	srv := servers.Start(t, servers.Versitygw)
	dir, content := newSstateDir(t), tarball(t, 100)
	siginfo := packed(t, []byte("{}"))
	for i := range 1000 {
		key := artefact("zlib", "package", i)
		dir.put(key, content)
		dir.put(key+".siginfo", siginfo)
		if i < 950 {
			for _, k := range []remote.Key{key, key + ".siginfo"} {
				path := filepath.Join(srv.Data, string(k))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	target, p := bucketTarget(t, srv)
	r := upload(t, dir.open(), target.Remote, upkeep.UploadOptions{Jobs: 16})
	if r.Sent.Objects != 100 || r.Exists.Objects != 1900 {
		t.Errorf("Upload() = %+v, want 100 sent of 2000", r)
	}
	all := 0
	for _, n := range p.Counts() {
		all += n
	}
	if all > 110 {
		t.Errorf("%d requests %v, want at most 110", all, p.Counts())
	}
	t.Logf("%d requests: %v", all, p.Counts())
}
