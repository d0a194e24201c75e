package main

import (
	"fmt"
	"io"
	"time"

	"sstatefs/integration/servers"
)

// netResult is what the rounds of one case gave.
type netResult struct {
	server servers.Kind
	rtt    time.Duration
	c      netCase
	took   samples
}

const netFormat = "%-11s  %-5s  %-36s  %8s  %8s  %8s  %8s  %8s  %-22s  %-22s  %-20s  %s\n"

// headNetwork prints the head of the table. Rows follow as they are measured:
// a run takes a while.
func headNetwork(o options) {
	fmt.Fprintf(o.out, "\n%d files in each remote, %d absent names, %d archives with signatures published and restored, %d rounds\n\n",
		o.tree, absentNames, o.files, o.rounds)
	fmt.Fprintf(o.out, netFormat, "server", "rtt", "case", "plain", "raw", "s3fs", "rclone", "sstatefs",
		"sstatefs to raw", "rclone to sstatefs", "sstatefs to plain", "target")
}

func (r netResult) print(w io.Writer) {
	median := func(contender string) string { return r.took.median(contender, seconds) }
	fmt.Fprintf(w, netFormat, r.server, r.rtt, r.c.name,
		median("plain"), median("raw"), median("s3fs"), median("rclone"), median("sstatefs"),
		r.took.ratio("sstatefs", "raw"), r.took.ratio("rclone", "sstatefs"), r.took.ratio("sstatefs", "plain"), r.verdict())
}

// verdict says whether the target is met; on loopback there is none.
func (r netResult) verdict() string {
	if r.rtt == 0 {
		return ""
	}
	return r.c.bound.verdict(r.took)
}
