package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(2)
	}
}

// run prints the tables for the assumptions that args change.
func run(args []string, w io.Writer) error {
	a := assumptions{sites: []site{{1e6, 50}, {10e6, 200}, {100e6, 1000}}}
	flags := a.flags()
	if err := flags.Parse(args); err != nil {
		return err
	}
	_, err := io.WriteString(w, a.tables())
	return err
}

// flags declares the assumptions with what docs/SCALE.md takes them for.
func (a *assumptions) flags() *flag.FlagSet {
	set := flag.NewFlagSet("scale", flag.ContinueOnError)
	set.Float64Var(&a.price.put, "price-put", 0.005, "USD per 1,000 PUT, COPY or LIST (S3 standard, us-east-1)")
	set.Float64Var(&a.price.get, "price-get", 0.0004, "USD per 1,000 GET or HEAD")
	set.Float64Var(&a.price.out, "price-out", 0, "USD per GB that leaves the region (0.09 in us-east-1)")
	set.Float64Var(&a.builds, "builds", 10, "builds per host and day")
	set.Float64Var(&a.published, "published", 200, "objects published per build, signatures counted")
	set.Float64Var(&a.fetched, "fetched", 300, "objects fetched per build")
	set.Float64Var(&a.used, "used", 0.1, "part of all objects that some build uses on a day")
	set.DurationVar(&a.building, "building", 8*time.Hour, "time per day in which a host builds")
	set.Float64Var(&a.objectBytes, "object-bytes", 1.5e6, "mean size of an object, bytes")
	set.DurationVar(&a.trip, "trip", 100*time.Millisecond, "time of one listing request")
	set.DurationVar(&a.refresh, "refresh", time.Minute, "--refresh")
	set.DurationVar(&a.relist, "relist", 7*24*time.Hour, "--relist")
	return set
}
