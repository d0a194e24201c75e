package s3

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// benchObjects is how many objects are listed: a hundred pages.
const benchObjects = 100_000

// fillFolder makes plain files, spread over 256 folders of 16 each.
func fillFolder(b *testing.B, dir string) {
	for i := range benchObjects {
		base := filepath.Base(string(remotetest.Key(i)))
		folder := filepath.Join(dir, fmt.Sprintf("%02x/%02x", i%256, i/256%16))
		if i < 256*16 {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(folder, base), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList(b *testing.B) {
	srv := servers.Start(b, servers.Versitygw)
	fillFolder(b, srv.Data)
	r, err := Open(b.Context(), srv.Address, remote.OpenOptions{ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := r.List(b.Context(), "", func(remote.Info) error { n++; return nil }); err != nil || n != benchObjects {
			b.Fatalf("List gives %d objects, %v, want %d", n, err, benchObjects)
		}
	}
	b.ReportMetric(benchObjects*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}
