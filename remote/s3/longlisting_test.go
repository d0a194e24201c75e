package s3

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	"sstatefs/remote"
)

var linesFlag = flag.Int("listing.lines", 200_000, "how many objects TestLongListing lists")

// TestLongListing lists very many objects, page by page: the memory that this
// needs does not grow with them, and it ends.
func TestLongListing(t *testing.T) {
	const most = 8 << 20 // bytes, those of the server among them
	lines := *linesFlag
	f := newFake(t)
	b := f.known(t)
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has("list-type") {
			return false
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("continuation-token"))
		writePage(w, from, min(from+1000, lines), lines)
		return true
	})
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, peak, begun := 0, int64(0), time.Now()
	err := b.List(t.Context(), "", func(remote.Info) error {
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

// writePage writes the objects from one number to another, of so many in all.
func writePage(w http.ResponseWriter, from, to, all int) {
	out := bufio.NewWriter(w)
	defer out.Flush()
	fmt.Fprintf(out, `<?xml version="1.0"?><ListBucketResult><IsTruncated>%t</IsTruncated>`, to < all)
	if to < all {
		fmt.Fprintf(out, `<NextContinuationToken>%d</NextContinuationToken>`, to)
	}
	for i := from; i < to; i++ {
		fmt.Fprintf(out, `<Contents><Key>root/%02x/%02x/sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:%064x_package.tar.zst</Key>`+
			`<LastModified>2026-11-21T20:00:00.000Z</LastModified><Size>%d</Size></Contents>`, i>>16%256, i>>8%256, i, i)
	}
	fmt.Fprint(out, `</ListBucketResult>`)
}
