package siginfo

// files compares checksums as multisets: a name can occur more than once.
// First come the files that changed, then those that came, then those that
// went, each in the order of its list.
func (d *differ) files() {
	cameAll := surplus(d.b.FileChecksums, d.a.FileChecksums)
	wentAll := surplus(d.a.FileChecksums, d.b.FileChecksums)
	came := byName(cameAll)
	paired := make([]bool, len(cameAll))
	var went []FileChecksum
	for _, f := range wentAll {
		next := came[f.Name]
		if len(next) == 0 {
			went = append(went, f)
			continue
		}
		came[f.Name] = next[1:]
		paired[next[0]] = true
		d.add(FileChanged, f.Name, f.Sum, cameAll[next[0]].Sum)
	}
	for i, f := range cameAll {
		if !paired[i] {
			d.add(FileAdded, f.Name, Value{}, f.Sum)
		}
	}
	for _, f := range went {
		d.add(FileRemoved, f.Name, f.Sum, Value{})
	}
}

// byName are the indices of files by their names, ascending.
func byName(files []FileChecksum) map[string][]int {
	at := make(map[string][]int, len(files))
	for i, f := range files {
		at[f.Name] = append(at[f.Name], i)
	}
	return at
}

// fileKey is a FileChecksum that can be compared.
type fileKey struct {
	name, sum string
	none      bool
}

func (f FileChecksum) key() fileKey { return fileKey{f.Name, f.Sum.String(), f.Sum.None()} }

// surplus is what files has more of than others. Of equal ones the first are
// the surplus.
func surplus(files, others []FileChecksum) []FileChecksum {
	count := make(map[fileKey]int, len(files))
	for _, f := range files {
		count[f.key()]++
	}
	for _, f := range others {
		count[f.key()]--
	}
	var more []FileChecksum
	for _, f := range files {
		if count[f.key()] > 0 {
			count[f.key()]--
			more = append(more, f)
		}
	}
	return more
}
