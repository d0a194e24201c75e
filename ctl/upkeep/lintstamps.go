package upkeep

import (
	"context"
	"io/fs"
	"regexp"

	"sstatefs/remote"
	"sstatefs/sstate"
	"sstatefs/sstate/siginfo"
)

// stampFile is the path of a signature in a folder of stamps, which BitBake
// names ARCH/PN/[EXTENDPE]PV-PR.do_TASK.sigdata.HASH.
func stampFile() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|/)([^/]+)/([^/]+)/[^/]+\.do_([^/.]+)\.sigdata\.([0-9a-f]{64}|[0-9a-f]{32})$`)
}

// LintStamps is Lint for a folder of stamps of a build, where every task has a
// signature, also those that are never cached. Arch of the filter is matched
// with the name of the folder.
func LintStamps(ctx context.Context, stamps fs.FS, o LintOptions, report Report, fn func(LintedSignature) error) (LintResult, error) {
	l := linter{o: o, report: report, fn: fn}
	pattern := stampFile()
	var wanted []LintedSignature
	err := fs.WalkDir(stamps, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		m := pattern.FindStringSubmatch(path)
		if m != nil && o.Filter.Picks(sstate.Name{Arch: m[1], PN: m[2], Task: m[3]}) {
			wanted = append(wanted, LintedSignature{Key: remote.Key(path), Arch: m[1], PN: m[2], Task: m[3], Hash: m[4]})
		}
		return ctx.Err()
	})
	if err != nil {
		return l.result, err
	}
	err = l.all(ctx, wanted, func(_ context.Context, key remote.Key) (*siginfo.Signature, error) {
		f, err := stamps.Open(string(key))
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		return siginfo.Read(f)
	})
	return l.result, err
}
