package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"sstatefs/integration/servers"
)

// options are the flags.
type options struct {
	out     io.Writer
	quick   bool
	only    *regexp.Regexp
	pairs   int
	rounds  int
	dir     string // on the disk to be measured
	keep    string // a folder for the objects of the index case, which is reused
	binary  string // of sstatefs, built if empty
	servers []servers.Kind
	without []string // contenders that do not run
	rtts    []time.Duration
	rate    bandwidth // of the cases that have one
	tree    int       // files in the tree of the network cases
	objects int       // files of the index case
	files   int       // archives that are published and restored
}

// wants tells whether -only lets a case run.
func (o options) wants(name string) bool { return o.only == nil || o.only.MatchString(name) }

// plainServers are the kinds that serve plain files, which the cases need.
var plainServers = []servers.Kind{servers.Versitygw, servers.Apache, servers.ApacheDeep, servers.Nginx, servers.RcloneWebDAV}

func readFlags() (options, error) {
	o := options{out: os.Stdout, rate: 1e9}
	only := flag.String("only", "", "run the cases whose `name` matches: \"local touch\", \"apache 20ms publish\", \"listing 0s\"")
	kinds := flag.String("servers", "versitygw,apache,apache-deep", "servers of the network cases; nginx and rclone-webdav are known too")
	without := flag.String("without", "", "contenders that do not run: \"rclone,s3fs\" saves most of the time")
	rtts := flag.String("rtt", "20ms", "round trip times of the network")
	flag.Var(&o.rate, "rate", "of the link of the cases that end with \"over 1 Gbit/s\", `bits` a second; 0 leaves them out")
	flag.BoolVar(&o.quick, "quick", false, "small cases, a few minutes: good to see that all works, too small for the targets")
	flag.IntVar(&o.pairs, "pairs", 0, "rounds per local case, at least 5 (default 7, quick 5)")
	flag.IntVar(&o.rounds, "rounds", 0, "rounds per network case (default 5, quick 1)")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where to work: the disk that is measured")
	flag.StringVar(&o.keep, "keep", "", "a folder on the disk of -dir where the objects of the index case stay for the next run")
	flag.StringVar(&o.binary, "binary", "", "the sstatefs to measure (default: built from this tree)")
	flag.IntVar(&o.tree, "tree", 100_000, "files in the remotes of the network cases")
	flag.IntVar(&o.objects, "objects", 1_000_000, "files in the bucket of the index case")
	flag.IntVar(&o.files, "files", 200, "archives that are published and restored, 1.5 MB each on average")
	flag.Parse()
	if flag.NArg() > 0 {
		return o, fmt.Errorf("what is %q? see -help", flag.Arg(0))
	}
	pairs, rounds := 7, 5
	if o.quick {
		pairs, rounds = 5, 1
		o.tree, o.objects, o.files = min(o.tree, 5000), min(o.objects, 10_000), min(o.files, 40)
	}
	o.pairs = max(cmp.Or(o.pairs, pairs), 5)
	o.rounds = cmp.Or(o.rounds, rounds)
	o.without = strings.Split(*without, ",")
	err := o.parse(*only, *kinds, *rtts)
	return o, err
}

// parse reads the flags that are lists and patterns.
func (o *options) parse(only, kinds, rtts string) (err error) {
	if only != "" {
		if o.only, err = regexp.Compile(only); err != nil {
			return fmt.Errorf("-only: %w", err)
		}
	}
	for _, name := range strings.Split(kinds, ",") {
		if !slices.Contains(plainServers, servers.Kind(name)) {
			return fmt.Errorf("-servers: no server %q, only %v", name, plainServers)
		}
		o.servers = append(o.servers, servers.Kind(name))
	}
	for _, text := range strings.Split(rtts, ",") {
		rtt, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("-rtt: %w", err)
		}
		o.rtts = append(o.rtts, rtt)
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	if o.keep != "" {
		o.keep, err = filepath.Abs(o.keep)
	}
	return err
}
