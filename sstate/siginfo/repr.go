package siginfo

import (
	"fmt"
	"strings"
	"unicode"
)

// repr is Python's repr() of a text: in single quotes unless only those occur
// in it, unprintable characters escaped.
func repr(s string) string {
	quote := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		quote = '"'
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteRune(quote)
	for _, r := range s {
		writeRepr(&b, r, quote)
	}
	b.WriteRune(quote)
	return b.String()
}

// writeRepr writes one character. What Python calls printable is what
// [unicode.IsPrint] does: all but the categories C and Z, and the space.
func writeRepr(b *strings.Builder, r, quote rune) {
	switch {
	case r == quote, r == '\\':
		b.WriteRune('\\')
		b.WriteRune(r)
	case r == '\t':
		b.WriteString(`\t`)
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case unicode.IsPrint(r):
		b.WriteRune(r)
	case r <= 0xff:
		fmt.Fprintf(b, `\x%02x`, r)
	case r <= 0xffff:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

func reprAll(items []string) string {
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = repr(item)
	}
	return strings.Join(parts, ", ")
}

func reprList(items []string) string { return "[" + reprAll(items) + "]" }

// reprSet is repr() of a frozenset, which is what BitBake 2.4 and later make of
// sets.
func reprSet(items []string) string {
	if len(items) == 0 {
		return "frozenset()"
	}
	return "frozenset({" + reprAll(items) + "})"
}

// reprFiles is repr() of a list of [name, sum] pairs.
func reprFiles(files []FileChecksum) string {
	parts := make([]string, len(files))
	for i, f := range files {
		sum := f.Sum.String()
		if f.Sum.kind == kindText {
			sum = repr(sum)
		}
		parts[i] = "[" + repr(f.Name) + ", " + sum + "]"
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
