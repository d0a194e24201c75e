package sstate

import "strings"

// Kind says what a path below SSTATE_DIR is.
type Kind int

const (
	Foreign Kind = iota // not of sstate: kept, and left alone
	Object              // shared: an archive or a companion
	Temp                // a file that somebody is writing, or was
	TempDir             // a folder in which a signed archive is made
	Lock                // of BitBake's fetcher
	Stamp               // of older fetchers: this download is done
	Bad                 // a download that the fetcher set aside
	Probe               // oe-core's test whether long names can be made
)

// String returns the kind in lower case, as in testdata/names.txt.
func (k Kind) String() string {
	switch k {
	case Object:
		return "object"
	case Temp:
		return "temp"
	case TempDir:
		return "tempdir"
	case Lock:
		return "lock"
	case Stamp:
		return "stamp"
	case Bad:
		return "bad"
	case Probe:
		return "probe"
	default:
		return "foreign"
	}
}

// Classify says what path is. Object if and only if [ParsePath] accepts it.
//
// Other kinds than Foreign are found only where BitBake makes them: beside
// objects, and the probe at the top. Elsewhere the same letters are somebody's
// own: "Customer" has the shape of a temporary of ln.
func Classify(path string) Kind {
	if _, ok := ParsePath(path); ok {
		return Object
	}
	if !isClean(path) {
		return Foreign
	}
	switch end := tempDirEnd(path); {
	case end == len(path):
		return TempDir
	case end > 0:
		return Temp
	}
	dir, base, nested := cutLast(path, '/')
	if !nested {
		return classifyTop(path)
	}
	if _, _, ok := cutLeaf(dir); !ok {
		return Foreign
	}
	return classifyBase(base)
}

// IsTemporary reports whether path may be removed once no writer can be left,
// as at mount: temporaries, temporary folders with all that is below them, and
// the probe. Locks, stamps and bad downloads stay: they still say something to
// BitBake, or to whoever looks after it.
func IsTemporary(path string) bool {
	switch Classify(path) {
	case Temp, TempDir, Probe:
		return true
	default:
		return false
	}
}

// classifyTop judges a name at the top of SSTATE_DIR. oe-core's sanity.bbclass
// probes with 200 random letters (check_create_long_filename).
func classifyTop(base string) Kind {
	const probeLen = 200
	if len(base) == probeLen && isAll(base, isLetter) {
		return Probe
	}
	return Foreign
}

// classifyBase judges a name that is no object, in a folder of objects.
func classifyBase(base string) Kind {
	switch {
	case isSiginfoTemp(base), isLinkTemp(base):
		return Temp
	case !strings.HasPrefix(base, prefix):
		return Foreign
	case strings.HasSuffix(base, ".lock"):
		return Lock
	case strings.HasSuffix(base, ".done"):
		return Stamp
	case strings.HasSuffix(base, ".tmp"), isArchiveTemp(base):
		return Temp
	case strings.Contains(base, "_bad-checksum_"):
		return Bad
	default:
		return Foreign
	}
}

// isArchiveTemp reports whether base is an archive's name with the ending of
// Python's NamedTemporaryFile (scarthgap and later: 8 characters, no dot) or
// of mktemp (dunfell to nanbield: a dot and 8).
func isArchiveTemp(base string) bool {
	i := len(base) - 8
	if i < 0 {
		return false
	}
	stem, random := base[:i], base[i:]
	if _, ext := cutExt(stem); ext != "" {
		return isAll(random, isPythonRandom)
	}
	stem, dotted := strings.CutSuffix(stem, ".")
	_, ext := cutExt(stem)
	return dotted && ext != "" && isAll(random, isAlnum)
}

// isSiginfoTemp reports whether base is a siginfo being written: 8 random
// characters in BitBake 1.46, 28 since.
func isSiginfoTemp(base string) bool {
	random, ok := strings.CutPrefix(base, "sigtask.")
	return ok && len(random) >= 8 && isAll(random, isWord)
}

// isLinkTemp reports whether base is the temporary of ln -f, which dunfell to
// nanbield run over a dangling link (coreutils force_linkat).
func isLinkTemp(base string) bool {
	random, ok := strings.CutPrefix(base, "Cu")
	return ok && len(random) == 6 && isAll(random, isAlnum)
}

// isTempDir reports whether base is a folder of Python's TemporaryDirectory.
func isTempDir(base string) bool {
	random, ok := strings.CutPrefix(base, "tmp")
	return ok && len(random) == 8 && isAll(random, isPythonRandom)
}

// tempDirEnd returns where the name of a temporary folder beside objects ends
// in path, or -1.
func tempDirEnd(path string) int {
	const leafDepth = 3 // X/hh/hh
	start := 0
	for range leafDepth {
		dir, _, ok := strings.Cut(path[start:], "/")
		if !ok {
			return -1
		}
		end := start + len(dir)
		start = end + 1
		next, _, _ := strings.Cut(path[start:], "/")
		if _, _, ok := cutLeaf(path[:end]); ok && isTempDir(next) {
			return start + len(next)
		}
	}
	return -1
}

// isClean reports whether path is a clean relative slash path. It does not
// allocate, as path.Clean may.
func isClean(path string) bool {
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if name == "" || name == "." || name == ".." {
			return false
		}
	}
	return strings.IndexByte(path, 0) < 0
}

func isAll(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool  { return c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return isLower(c) || isUpper(c) }
func isAlnum(c byte) bool  { return isLetter(c) || isDigit(c) }
func isWord(c byte) bool   { return isAlnum(c) || c == '_' }

// isPythonRandom: the alphabet of tempfile._RandomNameSequence.
func isPythonRandom(c byte) bool { return isLower(c) || isDigit(c) || c == '_' }
