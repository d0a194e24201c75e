package main

import (
	"os"
	"testing"

	"github.com/spf13/cobra"

	"sstatefs/ctl/upkeep"
)

func TestProgressText(t *testing.T) {
	part := upkeep.Progress{Stage: "sending", Done: 1900, Total: 2000, DoneBytes: 1 << 30, TotalBytes: 4 << 30}
	for _, test := range []struct {
		now     upkeep.Progress
		columns int
		want    string
	}{
		{upkeep.Progress{Stage: "listing", Done: 1}, 0, "listing: 1 object"},
		{upkeep.Progress{Stage: "listing", Done: 2, DoneBytes: 1024}, 80, "listing: 2 objects, 1.0 KiB"},
		{part, 0, "sending [########......................] 25 %  1900/2000 objects, 1.0 GiB of 4.0 GiB"},
		{part, 79, "sending [#######..................] 25 %  1900/2000 objects, 1.0 GiB of 4.0 GiB"},
		{part, 39, "sending 25 %  1900/2000 objects, 1.0 GiB of 4.0 GiB"},
		{upkeep.Progress{Stage: "deleting", Done: 9, Total: 3}, 40, "deleting [##########] 100 %  9/3 objects"},
	} {
		got := progressText(test.now, test.columns)
		if got != test.want {
			t.Errorf("progressText(%+v, %d) = %q, want %q", test.now, test.columns, got, test.want)
		}
	}
}

func TestVerifiedTextOfAPart(t *testing.T) {
	r := upkeep.VerifyResult{Archives: 2, Bytes: 1024}
	if got, want := verifiedText(r, false), "read 2 archives and 0 signatures (1.0 KiB): all is well"; got != want {
		t.Errorf("verifiedText() = %q, want %q", got, want)
	}
	if got, want := verifiedText(r, true), "read 2 archives and 0 signatures (1.0 KiB): no findings so far"; got != want {
		t.Errorf("verifiedText() of a part = %q, want %q", got, want)
	}
	r.Unchecked = 3
	if got, want := verifiedText(r, false), "read 2 archives and 0 signatures (1.0 KiB): no findings, 3 could not be checked"; got != want {
		t.Errorf("verifiedText() of what cannot be read = %q, want %q", got, want)
	}
}

func TestWantArgs(t *testing.T) {
	for _, test := range []struct {
		names []string
		given int
		want  string // empty: it fits
	}{
		{[]string{"A", "B"}, 2, ""},
		{[]string{"A", "B"}, 0, "x: no A and no B: want A B"},
		{[]string{"A", "B"}, 1, "x: no B: want A B"},
		{[]string{"A", "[B]"}, 1, ""},
		{[]string{"A", "[B]"}, 0, "x: no A: want A [B]"},
		{[]string{"A", "[B]"}, 4, "x: 2 arguments too many: want A [B]"},
		{[]string{"A", "B..."}, 1, "x: no B: want A B..."},
		{[]string{"A", "B..."}, 9, ""},
		{nil, 0, ""},
		{nil, 1, "x: takes no arguments"},
	} {
		got := ""
		if err := wantArgs(test.names...)(&cobra.Command{Use: "x"}, make([]string, test.given)); err != nil {
			got = err.Error()
			if exitCode(err) != exitUsage {
				t.Errorf("wantArgs(%v) with %d arguments ends with %d", test.names, test.given, exitCode(err))
			}
		}
		if got != test.want {
			t.Errorf("wantArgs(%v) with %d arguments = %q, want %q", test.names, test.given, got, test.want)
		}
	}
}

// A pipe whose reader goes ends the watch of it, one that is read does not.
func TestWhileRead(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	ctx, stop := whileRead(t.Context(), write)
	if ctx.Err() != nil {
		t.Error("whileRead() ended while the pipe was read")
	}
	stop()
	ctx, stop = whileRead(t.Context(), write)
	defer stop()
	read.Close()
	<-ctx.Done() // else the test hangs
}
