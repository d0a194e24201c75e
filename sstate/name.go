package sstate

import (
	"strings"
	"unicode/utf8"
)

// The values of Name.Ext and Name.Side.
const (
	ExtZstd     = ".tar.zst" // kirkstone and later
	ExtGzip     = ".tgz"     // up to honister
	SideSiginfo = ".siginfo" // what entered the hash
	SideSig     = ".sig"     // detached signature of the archive's bytes
)

const (
	// maxNameLen is NAME_MAX of every file system BitBake supports. It cuts
	// its own names to fit (sstate.bbclass, generate_sstatefn).
	maxNameLen = 255

	prefix = "sstate:"

	// noHash stands in for the hash where BitBake had none.
	noHash = "INVALID"
)

// Name is the parsed name of an object, field by field. Its methods are for
// Names that [ParseName] or [ParsePath] returned.
type Name struct {
	ExtraPath string // "universal", "debian-12"; empty unless native, cross, crosssdk
	PN        string // recipe, never empty
	Target    string // PACKAGE_ARCH, vendor and OS; empty for tasks like fetch
	PV        string // version of the recipe
	PR        string // revision of the recipe
	Arch      string // SSTATE_PKGARCH; empty where Target is
	Version   string // SSTATE_VERSION, the format of the cache: "3" to "14"
	Hash      string // unihash: 64 or, before 2019, 32 hex digits, or "INVALID"
	Task      string // without "do_"
	Ext       string // ".tar.zst" or ".tgz"
	Side      string // "" for the archive itself, ".siginfo" or ".sig"
}

// ParseName parses a base name. ExtraPath stays empty: it is in the path only.
// ok is false for whatever is not the name of an object: temporaries, locks,
// names above 255 bytes.
//
// Control characters and invalid UTF-8 are refused. BitBake writes neither,
// and an S3 key or an XML listing cannot carry them.
func ParseName(base string) (n Name, ok bool) {
	if len(base) > maxNameLen || !isPlain(base) {
		return Name{}, false
	}
	rest, ok := strings.CutPrefix(base, prefix)
	if !ok {
		return Name{}, false
	}
	rest, n.Side = cutSide(rest)
	if rest, n.Ext = cutExt(rest); n.Ext == "" {
		return Name{}, false
	}
	fields, last, ok := cutLast(rest, ':')
	if !ok {
		return Name{}, false
	}
	if n.Hash, n.Task = cutHash(last); n.Hash == "" {
		return Name{}, false
	}
	ok = n.setFields(fields)
	return n, ok
}

// setFields fills the six fields before the hash. Nothing forbids a colon in
// PV, so the fields around it are taken from either end.
func (n *Name) setFields(s string) bool {
	var ok [5]bool
	s, n.Version, ok[0] = cutLast(s, ':')
	s, n.Arch, ok[1] = cutLast(s, ':')
	s, n.PR, ok[2] = cutLast(s, ':')
	n.PN, s, ok[3] = strings.Cut(s, ":")
	n.Target, n.PV, ok[4] = strings.Cut(s, ":")
	if ok != [5]bool{true, true, true, true, true} || n.PN == "" {
		*n = Name{}
		return false
	}
	return true
}

// ParsePath parses a path below SSTATE_DIR. ok is true only for an object: a
// valid base name in the folders of its own hash, below at most one component
// of EXTRAPATH.
func ParsePath(path string) (n Name, ok bool) {
	dir, base, ok := cutLast(path, '/')
	if !ok {
		return Name{}, false
	}
	extra, leaf, ok := cutLeaf(dir)
	if !ok {
		return Name{}, false
	}
	if n, ok = ParseName(base); !ok || leaf[:2] != n.Hash[:2] || leaf[3:] != n.Hash[2:4] {
		return Name{}, false
	}
	n.ExtraPath = extra
	return n, true
}

// String returns the base name, byte for byte what was parsed.
func (n Name) String() string {
	return prefix + n.PN + ":" + n.Target + ":" + n.PV + ":" + n.PR + ":" + n.Arch + ":" +
		n.Version + ":" + n.Hash + "_" + n.Task + n.Ext + n.Side
}

// Dir returns the folder of the object, [EXTRAPATH/]hh/hh.
func (n Name) Dir() string {
	leaf := n.Hash[:2] + "/" + n.Hash[2:4]
	if n.ExtraPath == "" {
		return leaf
	}
	return n.ExtraPath + "/" + leaf
}

// Path returns the path of the object below SSTATE_DIR.
func (n Name) Path() string { return n.Dir() + "/" + n.String() }

// IsArchive reports whether this is an archive rather than a companion.
func (n Name) IsArchive() bool { return n.Side == "" }

// Archive returns the name of the archive that a companion belongs to; an
// archive's is its own.
func (n Name) Archive() Name {
	n.Side = ""
	return n
}

// ArchivePath returns the path of the archive that the object at path belongs
// to. path must be an object's.
func ArchivePath(path string) string {
	archive, _ := cutSide(path)
	return archive
}

func cutSide(s string) (rest, side string) {
	if rest, ok := strings.CutSuffix(s, SideSiginfo); ok {
		return rest, SideSiginfo
	}
	if rest, ok := strings.CutSuffix(s, SideSig); ok {
		return rest, SideSig
	}
	return s, ""
}

func cutExt(s string) (rest, ext string) {
	if rest, ok := strings.CutSuffix(s, ExtZstd); ok {
		return rest, ExtZstd
	}
	if rest, ok := strings.CutSuffix(s, ExtGzip); ok {
		return rest, ExtGzip
	}
	return s, ""
}

// cutHash splits HASH_TASK. Both are empty when either is not valid.
func cutHash(s string) (hash, task string) {
	hash, task, ok := strings.Cut(s, "_")
	if !ok || task == "" || strings.IndexByte(task, '.') >= 0 {
		return "", ""
	}
	if hash != noHash && (len(hash) != 64 && len(hash) != 32 || !isHex(hash)) {
		return "", ""
	}
	return hash, task
}

// cutLast splits s around its last sep.
func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// isPlain reports whether s is one component of a path that every remote can
// hold as it is.
func isPlain(s string) bool {
	ascii := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == 0x7f || c == '/' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(s)
}

// isHex reports whether s has lower-case hex digits only.
func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
