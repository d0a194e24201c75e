package remote

import "strings"

// Valid tells whether k can be a path below a root: not empty, relative, no
// empty component, none that is "." or "..", and no NUL. Backends answer
// ErrUnsupported to any other key.
func (k Key) Valid() bool {
	if strings.IndexByte(string(k), 0) >= 0 {
		return false
	}
	for part := range strings.SplitSeq(string(k), "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// IsObject tells objects from other names as far as this package and its
// backends can: the store knows the grammar.
func (k Key) IsObject() bool {
	_, base := k.Split()
	return strings.HasPrefix(base, "sstate:")
}

// Split gives the folder ("" is the root) and the base name.
func (k Key) Split() (folder, base string) {
	i := strings.LastIndexByte(string(k), '/')
	return string(k[:max(i, 0)]), string(k[i+1:])
}

// Join gives the key of a name in a folder.
func Join(folder, name string) Key {
	if folder == "" {
		return Key(name)
	}
	return Key(folder + "/" + name)
}

// IsTemporary tells whether k is what a Put left on its way.
func (k Key) IsTemporary() bool {
	_, base := k.Split()
	return IsTemporary(base)
}
