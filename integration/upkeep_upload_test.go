package integration

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sstatefs/integration/servers"
)

// uploaded is the JSON of upload.
type uploaded struct {
	Complete                           bool
	Found, Lacks, Exists, Sent, Failed bulk
	Broken                             bulk
	Ignored                            int
}

// upload sends what is lacking, once: no temporaries, nothing that is no
// archive.
func (k *keeper) upload() {
	ours, theirs := archive("ours", "package", 1), archive("theirs", "package", 1)
	all := goods{}
	all.parcel(k.t, ours, 3000, ".siginfo", ".sig")
	all.parcel(k.t, theirs, 2000, ".siginfo")
	source := k.s.mkdir("some", 0o755)
	all.write(k.t, source)
	goods{ours + "abcd1234": "a temporary", archive("void", "package", 1): "", "hashserv.db": "none of ours"}.write(k.t, source)
	made := time.Now().Add(-100 * 24 * time.Hour)
	if err := os.Chtimes(filepath.Join(source, ours), made, made); err != nil {
		k.t.Fatal(err)
	}
	k.stores(all.pick(theirs))
	k.knows(theirs)
	k.misses(ours, ours+".siginfo")

	lacks := all.without(theirs)
	k.uploads(source, uploaded{Lacks: bulk{4, all.bytes(lacks...)}}, "--dry-run")
	k.holds(theirs)
	k.uploads(source, uploaded{Lacks: bulk{4, all.bytes(lacks...)}, Sent: bulk{4, all.bytes(lacks...)}})
	k.holds(all.keys()...)
	for _, key := range lacks {
		if k.s.sum(key) != sum(source+"/"+key) {
			k.t.Errorf("%s is not what was sent", key)
		}
	}
	if at := k.s.usedAt(ours); k.keepsTimes() && at.After(made.Add(time.Second)) {
		k.t.Errorf("%s was made %v and is of %v there", ours, made, at)
	}
	k.uploads(source, uploaded{})
	k.shows(all, all.keys()...)
}

// keepsTimes tells that a Put can set a time: in a directory, and on rclone by
// X-OC-Mtime.
func (k *keeper) keepsTimes() bool {
	return k.s.server == nil || k.s.place.kind == servers.RcloneWebDAV
}

// uploads runs the verb. Of the result lacks and sent are compared.
func (k *keeper) uploads(source string, want uploaded, flags ...string) {
	k.t.Helper()
	r := told[uploaded](k, k.ask(0, append([]string{"upload", source, there, "--json"}, flags...)...))
	if r.Lacks != want.Lacks || r.Sent != want.Sent || !r.Complete || r.Failed != (bulk{}) || r.Broken.Objects != 1 {
		k.t.Errorf("upload %s: %+v, want lacks %v, sent %v", strings.Join(flags, " "), r, want.Lacks, want.Sent)
	}
}

// uploadResumed interrupts an upload: it ends soon and says what was sent. The
// next one sends the rest.
func (k *keeper) uploadResumed() {
	const many = 150
	all := goods{}
	for i, key := range archives("many", many) {
		all.parcel(k.t, key, 2000+i)
	}
	source := k.s.mkdir("many", 0o755)
	all.write(k.t, source)
	first := k.interrupted("upload", source, there, "--json", "--jobs=1")
	if first.Sent.Objects == 0 || first.Sent.Objects >= many || first.Complete {
		k.t.Errorf("interrupted: %+v, want a part sent", first)
	}
	r := told[uploaded](k, k.ask(0, "upload", source, there, "--json"))
	got := r.Exists.Objects
	if got < first.Sent.Objects || got > first.Sent.Objects+1 { // one may be there whose answer did not come
		k.t.Errorf("%d objects were there and not sent again, and %d were said to be sent", got, first.Sent.Objects)
	}
	if r.Sent.Objects != many-got || !r.Complete {
		k.t.Errorf("resumed: %+v, want %d there and the rest sent", r, got)
	}
	k.holds(all.keys()...)
	k.shows(all, all.keys()[:3]...)
}

// interrupted runs the program until something has reached the remote, then
// presses Ctrl-C.
func (k *keeper) interrupted(args ...string) uploaded {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), callTimeout)
	defer cancel()
	cmd := k.s.command(ctx, os.Getuid(), binary, k.aimed(args)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	began := within(startLimit, func() bool { return k.arrived() > 3 })
	pressed := time.Now()
	_ = cmd.Process.Signal(syscall.SIGINT)
	err := cmd.Wait()
	if took := time.Since(pressed); !began || took > quick {
		k.t.Errorf("began: %v; ended %v after Ctrl-C", began, took)
	}
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		k.t.Fatalf("interrupted: %v, want exit 1\n%s%s", err, &stdout, &stderr)
	}
	return told[uploaded](k, stdout.String())
}

// arrived counts archives on the remote while there is work on it: folders may
// come and go.
func (k *keeper) arrived() int {
	k.t.Helper()
	if k.s.remote == "" {
		return len(k.s.names())
	}
	n := 0
	_ = filepath.WalkDir(k.s.remote, func(name string, _ fs.DirEntry, _ error) error {
		if strings.HasSuffix(name, ".tar.zst") {
			n++
		}
		return nil
	})
	return n
}
