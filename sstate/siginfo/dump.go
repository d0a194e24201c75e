package siginfo

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Dump is what bitbake-dumpsig prints, one message an element. A message may
// have several lines.
func (s *Signature) Dump() []string {
	out := []string{
		"basehash_ignore_vars: " + reprList(s.BaseHashIgnoreVars),
		"taskhash_ignore_tasks: " + reprList(sortedValue(s.TaskHashIgnoreTasks)),
		"Task dependencies: " + reprList(sorted(s.TaskDeps)),
		"basehash: " + s.BaseHash,
	}
	for _, name := range sortedKeys(s.GenDeps) {
		out = append(out, "List of dependencies for variable "+name+" is "+reprList(s.GenDeps[name]))
	}
	for _, name := range sortedKeys(s.VarVals) {
		out = append(out, "Variable "+name+" value is "+s.VarVals[name].String())
	}
	if s.RunTaskDeps != nil {
		out = append(out, "Tasks this task depends on: "+reprList(sorted(s.RunTaskDeps)))
	}
	if s.FileChecksums != nil {
		out = append(out, "This task depends on the checksums of files: "+reprFiles(sortedFiles(s.FileChecksums)))
	}
	for _, key := range sortedKeys(s.RunTaskHashes) {
		out = append(out, "Hash for dependent task "+key+" is "+s.RunTaskHashes[key])
	}
	if !s.Taint.None() {
		out = append(out, "Tainted (by forced/invalidated task): "+taintText(s.Taint))
	}
	return append(out, s.dumpHashes()...)
}

func (s *Signature) dumpHashes() []string {
	base, task := "Unable to compute base hash", "Unable to compute task hash"
	if hash, err := s.ComputeBaseHash(); err == nil {
		base = "Computed base hash is " + hash + " and from file " + s.BaseHash
	}
	if hash, err := s.ComputeTaskHash(); err == nil {
		task = "Computed task hash is " + hash
	}
	return []string{base, task}
}

// taintText is a taint as BitBake shows it.
func taintText(taint Value) string {
	text := taint.String()
	if strings.HasPrefix(text, noStamp) {
		text = strings.ReplaceAll(text, noStamp, "nostamp(uuid4):")
	}
	return text
}

// sortedValue is Python's sorted(): the characters of a text.
func sortedValue(v Value) []string {
	if v.Text() != "" {
		return sorted(strings.Split(v.Text(), ""))
	}
	return sorted(v.Items())
}

func sorted(items []string) []string { return slices.Sorted(slices.Values(items)) }

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func sortedFiles(files []FileChecksum) []FileChecksum {
	return slices.SortedStableFunc(slices.Values(files), func(a, b FileChecksum) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Sum.Text(), b.Sum.Text()))
	})
}
