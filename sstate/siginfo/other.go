package siginfo

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxNesting bounds lists within lists in a value.
const maxNesting = 100

// other is a value that is no text and no list of texts.
func (d *decoder) other(v any) Value {
	w := reprWriter{d: d}
	w.write(v, 0)
	return Value{kind: kindOther, text: w.b.String()}
}

// reprWriter writes Python's repr() of what decodeJSON or decodePickle
// returned. A pickle can refer to one list many times, so that all that is
// written is accounted for.
type reprWriter struct {
	d *decoder
	b strings.Builder
}

func (w *reprWriter) text(s string) { w.b.WriteString(w.d.spend(s)) }

func (w *reprWriter) write(v any, depth int) {
	if depth > maxNesting {
		w.d.fail("less in one another")
	}
	if w.d.err != nil {
		return
	}
	switch v := v.(type) {
	case nil:
		w.text("None")
	case string:
		w.text(repr(v))
	case json.Number:
		w.text(v.String())
	case bool:
		w.text(pythonBool(v))
	default:
		w.writeMany(v, depth)
	}
}

func (w *reprWriter) writeMany(v any, depth int) {
	items, isSet, ok := elements(v)
	switch {
	case ok && isSet && !slices.ContainsFunc(items, notText):
		w.text(reprSet(w.d.asSet(v)))
	case ok && isSet:
		w.writeItems("frozenset({", items, "})", depth)
	case ok:
		w.writeItems("[", items, "]", depth)
	default:
		w.writeDict(v, depth)
	}
}

func (w *reprWriter) writeItems(begin string, items []any, end string, depth int) {
	w.text(begin)
	for i, item := range items {
		if i > 0 {
			w.text(", ")
		}
		w.write(item, depth+1)
	}
	w.text(end)
}

// writeDict writes the keys in order: BitBake sorts them in its files.
func (w *reprWriter) writeDict(v any, depth int) {
	dict, is := v.(map[string]any)
	if !is || isJSONSet(dict) {
		w.d.fail("a value")
		return
	}
	w.text("{")
	for i, key := range slices.Sorted(maps.Keys(dict)) {
		if i > 0 {
			w.text(", ")
		}
		w.text(repr(key) + ": ")
		w.write(dict[key], depth+1)
	}
	w.text("}")
}

// sameNumber tells whether two of what reprWriter writes are one number:
// Python takes 0, 0.0 and False for equal.
func sameNumber(a, b string) bool {
	const exact = 1 << 53 // beyond it not every int is a float
	x, isNumber := pythonNumber(a)
	y, isToo := pythonNumber(b)
	return isNumber && isToo && x == y && math.Abs(x) < exact
}

func pythonNumber(text string) (float64, bool) {
	switch text {
	case pythonBool(false):
		return 0, true
	case pythonBool(true):
		return 1, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

func pythonBool(v bool) string {
	if v {
		return "True"
	}
	return "False"
}

// pythonFloat is repr() of a float: the shortest digits that give it back, with
// an exponent for what is small or large.
func pythonFloat(f float64) string {
	const small, large = 1e-4, 1e16
	switch size := math.Abs(f); {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, 64), "+"))
	case size != 0 && (size < small || size >= large):
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
