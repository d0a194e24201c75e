package sstate

import "strings"

// IsFolder reports whether path has the shape of a folder that holds objects
// or leads to them: hh, hh/hh, X/hh or X/hh/hh, where X may be an EXTRAPATH
// and hh are two lower-case hex digits. INVALID in place of a hash makes IN
// and IN/VA. A lone X is none: any name could be one.
func IsFolder(path string) bool {
	if isLevels(path) {
		return true
	}
	extra, rest, ok := strings.Cut(path, "/")
	return ok && isExtraPath(extra) && isLevels(rest)
}

// isLevels reports whether s is the first folder of a hash, or both.
func isLevels(s string) bool {
	if len(s) == 2 {
		return isHex(s) || s == noHash[:2]
	}
	return isLeafLevels(s)
}

// isLeafLevels reports whether s is both folders of a hash.
func isLeafLevels(s string) bool {
	if len(s) != len("hh/hh") || s[2] != '/' {
		return false
	}
	return isHex(s[:2]) && isHex(s[3:]) || s[:2] == noHash[:2] && s[3:] == noHash[2:4]
}

// cutLeaf splits the folder of an object into its EXTRAPATH, which may be
// empty, and its two levels. ok is false when dir cannot hold objects.
func cutLeaf(dir string) (extra, leaf string, ok bool) {
	i := len(dir) - len("hh/hh")
	if i < 0 || !isLeafLevels(dir[i:]) {
		return "", "", false
	}
	if i == 0 {
		return "", dir, true
	}
	extra, leaf = dir[:i-1], dir[i:]
	return extra, leaf, dir[i-1] == '/' && isExtraPath(extra)
}

// isExtraPath reports whether s can be an EXTRAPATH (NATIVELSBSTRING). Hidden
// folders belong to somebody else, and what lies below a temporary folder is
// not published.
func isExtraPath(s string) bool {
	return s != "" && len(s) <= maxNameLen && s[0] != '.' && !isTempDir(s) && isPlain(s)
}
