package siginfo

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// splitLines is Python's str.splitlines(): it parts at more characters than a
// newline, and a line end at the end starts no further line.
func splitLines(s string) []string {
	var lines []string
	start := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !isLineEnd(r) {
			i += size
			continue
		}
		lines = append(lines, s[start:i])
		i += size
		if r == '\r' && strings.HasPrefix(s[i:], "\n") {
			i++
		}
		start = i
	}
	if start < len(s) {
		lines = append(lines, s[start:])
	}
	return lines
}

func isLineEnd(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

// isPythonSpace is Python's str.isspace() of one character: what Unicode calls
// white space, and the four ASCII separators.
func isPythonSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// sameWords reports whether two texts differ in nothing but white space
// between words and around them.
func sameWords(a, b string) bool {
	return strings.Join(strings.FieldsFunc(a, isPythonSpace), " ") ==
		strings.Join(strings.FieldsFunc(b, isPythonSpace), " ")
}
