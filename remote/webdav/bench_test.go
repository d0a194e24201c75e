package webdav

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sstatefs/integration/proxy"
	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A benchmark lists so many objects in so many folders.
const (
	benchObjects = 20_000
	benchFolders = 4096
)

// fillFolder makes plain files.
func fillFolder(b *testing.B, dir string) {
	for i := range benchObjects {
		folder := filepath.Join(dir, fmt.Sprintf("%02x/%02x", i%256, i/256%16))
		if i < benchFolders {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		name := filepath.Join(folder, filepath.Base(string(remotetest.Key(i))))
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func BenchmarkList(b *testing.B) {
	for _, kind := range []servers.Kind{servers.Apache, servers.ApacheDeep} {
		srv := servers.Start(b, kind)
		fillFolder(b, srv.Data)
		for _, rtt := range []time.Duration{0, 20 * time.Millisecond} {
			b.Run(fmt.Sprintf("%s/%v", kind, rtt), func(b *testing.B) {
				address := srv.Address
				if rtt > 0 {
					address = srv.AddressAt(proxy.Latency(b, srv.URL, rtt).URL)
				}
				benchmarkList(b, address)
			})
		}
	}
}

func benchmarkList(b *testing.B, address string) {
	r, err := Open(b.Context(), address, remote.OpenOptions{ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	used := processorTime(b)
	for b.Loop() {
		n := 0
		if err := r.List(b.Context(), "", func(remote.Info) error { n++; return nil }); err != nil || n != benchObjects {
			b.Fatalf("List gives %d objects, %v, want %d", n, err, benchObjects)
		}
	}
	b.ReportMetric(float64((processorTime(b)-used).Microseconds())/float64(b.N*benchObjects), "cpu-us/object")
	b.ReportMetric(benchObjects*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

// BenchmarkCreate makes new objects with eight writers, by each way there is.
func BenchmarkCreate(b *testing.B) {
	srv := servers.Start(b, servers.Apache)
	d := benchOpen(b, srv.Address)
	if err := d.Explore(b.Context()); err != nil {
		b.Fatal(err)
	}
	able := d.knows()
	one, aside := able, able
	one.pairs, aside.pairs, aside.conditional = false, false, false
	pair := able
	pair.conditional = false
	for _, rtt := range []time.Duration{0, 20 * time.Millisecond} {
		address := srv.Address
		if rtt > 0 {
			address = srv.AddressAt(proxy.Latency(b, srv.URL, rtt).URL)
		}
		for _, size := range []int{10_000, 1 << 20} {
			for name, k := range map[string]known{"PUT": one, "PUT-MOVE": aside, "pair": pair} {
				d := benchOpen(b, address)
				d.known.Store(&k)
				content := remotetest.Bytes(remotetest.Pattern(size, 1))
				b.Run(fmt.Sprintf("%v/%d/%s", rtt, size, name), func(b *testing.B) { benchmarkCreate(b, d, content) })
			}
		}
	}
}

func benchOpen(b *testing.B, address string) *DAV {
	r, err := Open(b.Context(), address, remote.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.(*DAV).Close() })
	return r.(*DAV)
}

func benchmarkCreate(b *testing.B, d *DAV, content remotetest.Bytes) {
	const writers = 8
	b.SetBytes(int64(len(content)))
	b.SetParallelism(writers / runtime.GOMAXPROCS(0))
	run := rand.Uint64()
	var n atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			key := remote.Key(fmt.Sprintf("ab/%02x/%x-%d", n.Load()%4, run, n.Add(1)))
			if err := d.Put(b.Context(), key, content, remote.PutOptions{Create: true}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
