package upkeep

import (
	"fmt"

	"sstatefs/sstate/siginfo"
)

// Lines words the issues of a signature as isar-sstate does, none if there are
// none to show. Paths elsewhere are shown with other.
func (s LintedSignature) Lines(style siginfo.Style, other bool) []string {
	var lines []string
	for _, issue := range s.Issues {
		what := fmt.Sprintf("%s = \"%s\"", issue.Variable, issue.Value)
		if issue.Variable == "SRC_URI" {
			what = fmt.Sprintf("SRC_URI entry \"%s\"", issue.Value)
		}
		switch {
		case issue.Kind == PathInBuild:
			lines = append(lines, coloured(style, "0;31", "-> path in build-dir:   %s", what))
		case issue.Kind == PathInSources:
			lines = append(lines, coloured(style, "0;31", "-> path in sources-dir: %s", what))
		case other:
			lines = append(lines, coloured(style, "0;34", "-> other absolute path: %s", what))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	head := coloured(style, "1;33", "==== issues found in %s:%s:%s (%.8s) ====", s.Arch, s.PN, s.Task, s.Hash)
	return append([]string{head}, lines...)
}

// Lines words the sum as isar-sstate does.
func (r LintResult) Lines() []string {
	if r.Issues() == 0 {
		return []string{fmt.Sprintf("no cachability issues found (scanned %d signatures)", r.Scanned)}
	}
	return []string{
		fmt.Sprintf("found cachability issues (scanned %d signatures)", r.Scanned),
		fmt.Sprintf("-> absolute paths: sources-dir %d, build-dir %d, other %d", r.SourcesDir, r.BuildDir, r.Other),
	}
}
