package main

import (
	"bytes"
	"strings"
	"testing"

	"sstatefs/ctl/upkeep"
)

// surveyed is a small remote.
func surveyed() upkeep.InfoResult {
	sum := func(n, bytes int64) upkeep.Sum { return upkeep.Sum{Objects: n, Bytes: bytes} }
	named := func(name string, n, bytes int64) upkeep.NamedSum {
		return upkeep.NamedSum{Name: name, Sum: sum(n, bytes)}
	}
	const day = 24 * 60 * 60
	r := upkeep.InfoResult{
		Remote: "s3://sstate/main", Clock: "host", Complete: true, Total: sum(3, 3<<20),
		Kinds: []upkeep.NamedSum{named("archive", 2, 3<<20), named("siginfo", 1, 10)},
		Archs: []upkeep.NamedSum{named("core2-64", 2, 3<<20), named("", 1, 10)},
		Tasks: []upkeep.NamedSum{named("package", 3, 3<<20)},
		Ages: []upkeep.AgeSum{
			{To: day, Sum: sum(1, 1<<20)}, {From: day, To: 3 * day}, {From: 3 * day, To: 7 * day, Sum: sum(2, 2<<20)},
			{From: 7 * day},
		},
		NewestSeconds: 60, OldestSeconds: 4 * day,
		Recipes: []upkeep.RecipeSum{{NamedSum: named("zlib", 3, 3<<20), Archives: 2,
			Tasks: []upkeep.TaskSum{{NamedSum: named("package", 3, 3<<20), Archives: 2}}}},
	}
	r.Temporaries = upkeep.Leftover{Sum: sum(2, 1<<10), OldestSeconds: 2 * day}
	r.UnfinishedUploads.Unknown = "access denied"
	return r
}

func TestPrintInfo(t *testing.T) {
	var out bytes.Buffer
	if err := printInfo(&out, surveyed(), infoLooks{title: "s3://sstate/main", bars: true, verbose: true}); err != nil {
		t.Fatal(err)
	}
	want := `s3://sstate/main
  holds               3 objects (3.0 MiB)
  used                1m to 4d ago (by the clock of this host: the remote does not tell its time)
  temporaries         2 left behind or under way, 1.0 KiB, the oldest 2d old
  unfinished uploads  none, not all are known: access denied

by age      objects  bytes
  0d to 1d  1        1.0 MiB  ###############
  1d to 3d  0        0 B      
  3d to 7d  2        2.0 MiB  ##############################

by kind    objects  bytes
  archive  2        3.0 MiB
  siginfo  1        10 B

by arch     objects  bytes
  core2-64  2        3.0 MiB
  (none)    1        10 B

by task    objects  bytes
  package  3        3.0 MiB

largest recipes  objects  bytes
  zlib           3        3.0 MiB

found the following archs: (none), core2-64
Cache entries:
  - zlib: 2 entries (package 2)
`
	if out.String() != want {
		t.Errorf("printInfo() =\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	if err := printInfo(&out, surveyed(), infoLooks{}); err != nil || strings.Contains(out.String(), "#") {
		t.Errorf("printInfo() without a terminal = %v\n%s", err, out.String())
	}
}
