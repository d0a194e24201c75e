package webdav

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"sstatefs/remote"
)

var linesFlag = flag.Int("listing.lines", 200_000, "how many objects TestLongListing lists")

// TestLongListing lists very many objects from a server that sends them in one
// answer, as if all were in one folder: it ends, and needs no more memory than it
// takes to know the first few millions again.
func TestLongListing(t *testing.T) {
	lines := *linesFlag
	most := int64(8<<20 + 40*min(lines, seenLimit)) // bytes, those of the server among them
	_, d := openFake(t, map[string]http.HandlerFunc{"PROPFIND": func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Depth") == depthSelf {
			folderAnswer("/base/")(w, r)
			return
		}
		w.Header().Set("DAV", "1")
		w.WriteHeader(http.StatusMultiStatus)
		out := bufio.NewWriter(w)
		fmt.Fprint(out, `<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">`)
		for i := range lines {
			if _, err := fmt.Fprintf(out, `<D:response><D:href>/base/%02x/%02x/sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:%064x_package.tar.zst</D:href>`+
				`<D:propstat><D:prop><D:getcontentlength>%d</D:getcontentlength><D:getlastmodified>Sat, 21 Nov 2026 20:00:00 GMT</D:getlastmodified></D:prop>`+
				`<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`+"\n", i%256, i/256%256, i, i); err != nil {
				return
			}
		}
		fmt.Fprint(out, "</D:multistatus>")
		out.Flush()
	}})
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, peak, begun := 0, int64(0), time.Now()
	err := d.List(t.Context(), "", func(remote.Info) error {
		if n++; n%(lines/4) == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, int64(now.HeapAlloc)-int64(before.HeapAlloc))
		}
		return nil
	})
	runtime.ReadMemStats(&now)
	t.Logf("%d objects in %v, %d bytes in use at most, %d from the system", n, time.Since(begun).Round(time.Millisecond), peak, now.Sys)
	if err != nil || n != lines {
		t.Errorf("List() = %v after %d objects, want %d", err, n, lines)
	}
	if peak > most {
		t.Errorf("%d bytes in use, want at most %d", peak, most)
	}
}
