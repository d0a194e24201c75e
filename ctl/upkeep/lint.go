package upkeep

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sstatefs/remote"
	"sstatefs/sstate"
	"sstatefs/sstate/siginfo"
)

// LintOptions says what to look for in signatures, and in which. The folders
// are absolute paths of a build host, with or without a slash at the end.
type LintOptions struct {
	Filter Filter

	SourcesDir    string
	BuildDir      string
	ExcludedTasks []string // patterns of tasks that are not looked at

	Jobs int // signatures read at a time
}

// PathKind says where an absolute path points to. The words are stable: they
// are in JSON.
type PathKind string

// The kinds of path.
const (
	PathInBuild   PathKind = "build-dir"
	PathInSources PathKind = "sources-dir"
	PathOther     PathKind = "other" // no issue, but worth to know
)

// LintIssue is one value in a signature that begins with an absolute path.
type LintIssue struct {
	Kind     PathKind `json:"kind"`
	Variable string   `json:"variable"`
	Value    string   `json:"value"` // of SRC_URI: the one entry
}

// LintedSignature is a signature with absolute paths. The JSON keys are stable.
type LintedSignature struct {
	Key    remote.Key  `json:"key"` // of stamps the path
	Arch   string      `json:"arch"`
	PN     string      `json:"pn"`
	Task   string      `json:"task"`
	Hash   string      `json:"hash"`
	Issues []LintIssue `json:"issues"`
}

// LintResult counts what was found. The JSON keys are stable.
type LintResult struct {
	Scanned    int64  `json:"scanned"`  // signatures, those of excluded tasks among them
	Excluded   int64  `json:"excluded"` // of those, not looked at
	Broken     int64  `json:"broken"`   // of those, no signatures
	BrokenWhy  string `json:"broken_why,omitempty"`
	Unread     int64  `json:"unread"` // of those, not to be had
	UnreadWhy  string `json:"unread_why,omitempty"`
	SourcesDir int64  `json:"sources_dir"`
	BuildDir   int64  `json:"build_dir"`
	Other      int64  `json:"other"`
}

// Issues is how many paths make signatures differ from host to host.
func (r LintResult) Issues() int64 { return r.SourcesDir + r.BuildDir }

// Lint looks for absolute paths in the signatures of a target, and calls fn for
// each signature that has some, in the order of their keys. Its memory is that
// of a 256th of the listing.
func Lint(ctx context.Context, t *Target, o LintOptions, report Report, fn func(LintedSignature) error) (LintResult, error) {
	l := linter{o: o, report: report, fn: fn}
	report(Progress{Stage: "listing"})
	err := eachPart(ctx, t, o.Filter, func(p part) error {
		var wanted []LintedSignature
		for _, e := range p.objects {
			n := e.name
			if n.Side == sstate.SideSiginfo {
				wanted = append(wanted, LintedSignature{Key: e.Key, Arch: n.Arch, PN: n.PN, Task: n.Task, Hash: n.Hash})
			}
		}
		return l.all(ctx, wanted, func(ctx context.Context, key remote.Key) (*siginfo.Signature, error) {
			return readSignature(ctx, t, key)
		})
	})
	return l.result, err
}

// readSignature reads a signature of a target.
func readSignature(ctx context.Context, t Getter, key remote.Key) (*siginfo.Signature, error) {
	body, _, err := t.Get(ctx, key, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return siginfo.Read(body)
}

// linter looks through signatures.
type linter struct {
	o      LintOptions
	report Report
	fn     func(LintedSignature) error
	result LintResult
}

// linted is a signature that was looked at, or why it was not.
type linted struct {
	LintedSignature
	err error
}

type reader func(ctx context.Context, key remote.Key) (*siginfo.Signature, error)

// all looks at the signatures that are wanted.
func (l *linter) all(ctx context.Context, wanted []LintedSignature, read reader) error {
	var look []LintedSignature
	for _, s := range wanted {
		l.result.Scanned++
		if l.excluded(s.Task) {
			l.result.Excluded++
			continue
		}
		look = append(look, s)
	}
	work := func(ctx context.Context, s LintedSignature) linted {
		sig, err := read(ctx, s.Key)
		if err == nil {
			s.Issues = l.o.issues(sig)
		}
		return linted{s, err}
	}
	return inOrder(ctx, max(1, l.o.Jobs), look, work, func(s linted) error { return l.done(ctx, s) })
}

// done counts one signature.
func (l *linter) done(ctx context.Context, s linted) error {
	l.report(Progress{Stage: "reading", Done: l.result.Scanned})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(s.err, remote.ErrNotExist):
		l.result.Scanned-- // somebody cleans
		return nil
	case errors.Is(s.err, siginfo.ErrBroken):
		l.result.Broken++
		l.result.BrokenWhy = cmp.Or(l.result.BrokenWhy, string(s.Key)+": "+s.err.Error())
		return nil
	case s.err != nil:
		l.result.Unread++
		l.result.UnreadWhy = cmp.Or(l.result.UnreadWhy, string(s.Key)+": "+s.err.Error())
		return nil
	}
	for _, issue := range s.Issues {
		switch issue.Kind {
		case PathInBuild:
			l.result.BuildDir++
		case PathInSources:
			l.result.SourcesDir++
		default:
			l.result.Other++
		}
	}
	if len(s.Issues) == 0 {
		return nil
	}
	return l.fn(s.LintedSignature)
}

func (l *linter) excluded(task string) bool {
	return slices.ContainsFunc(l.o.ExcludedTasks, func(pattern string) bool {
		ok, _ := path.Match(pattern, task)
		return ok
	})
}

// issues finds the absolute paths in a signature, by the rules of isar-sstate:
// variables with an upper-case name that enter the hash, and PP, which Isar
// sets to a path in the build environment, left out.
func (o LintOptions) issues(s *siginfo.Signature) []LintIssue {
	var found []LintIssue
	for _, name := range sortedNames(s.VarVals) {
		first, _ := utf8.DecodeRuneInString(name)
		if !unicode.IsUpper(first) || name == "PP" || isIgnored(s, name) {
			continue
		}
		value := strings.TrimLeftFunc(s.VarVals[name].Text(), unicode.IsSpace)
		if name != "SRC_URI" {
			if strings.HasPrefix(value, "/") {
				found = append(found, LintIssue{o.kind(value), name, value})
			}
			continue
		}
		for _, entry := range strings.Fields(value) {
			if at, ok := strings.CutPrefix(entry, "file://"); ok && strings.HasPrefix(at, "/") {
				found = append(found, LintIssue{o.kind(at), name, entry})
			}
		}
	}
	return found
}

// isIgnored tells whether a variable enters no hash.
func isIgnored(s *siginfo.Signature, name string) bool {
	_, ignored := slices.BinarySearch(s.BaseHashIgnoreVars, name)
	return ignored || strings.Contains(s.TaskHashIgnoreTasks.Text(), name)
}

func sortedNames(values map[string]siginfo.Value) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// kind tells where a path points to. A build folder may lie below the sources.
func (o LintOptions) kind(at string) PathKind {
	switch {
	case isBelow(at, o.BuildDir):
		return PathInBuild
	case isBelow(at, o.SourcesDir):
		return PathInSources
	}
	return PathOther
}

// isBelow tells whether the path that begins text is dir or below it. Text may
// go on behind the path: a list of options, a search path.
func isBelow(text, dir string) bool {
	dir = strings.TrimRight(dir, "/")
	rest, ok := strings.CutPrefix(text, dir)
	if !ok || dir == "" {
		return false
	}
	next, _ := utf8.DecodeRuneInString(rest)
	return rest == "" || !unicode.IsLetter(next) && !unicode.IsDigit(next) && !strings.ContainsRune("-_.+~", next)
}
