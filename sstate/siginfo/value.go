package siginfo

import (
	"encoding/json"
)

// Value is a value as BitBake has it: None, a text, a list or a set of texts,
// or what else Python code put in a variable. The zero Value is None.
type Value struct {
	kind  valueKind
	text  string // of kindOther what Python's repr() gives
	items []string
}

type valueKind uint8

const (
	kindNone valueKind = iota
	kindText
	kindList
	kindSet
	kindOther // a number, a bool, a dict, a list of not only texts
)

// Text returns a Value that is a text.
func Text(s string) Value { return Value{kind: kindText, text: s} }

// None reports whether there is no value, which is not the empty text.
func (v Value) None() bool { return v.kind == kindNone }

// Text is the value of a text; empty for all others.
func (v Value) Text() string {
	if v.kind != kindText {
		return ""
	}
	return v.text
}

// Items are the elements of a list in its order, or those of a set sorted; nil
// for all others.
func (v Value) Items() []string { return v.items }

// String is what Python's str() gives: None, the text itself, ['a', 'b'],
// frozenset({'a', 'b'}) or 17.
func (v Value) String() string {
	switch v.kind {
	case kindNone:
		return "None"
	case kindText, kindOther:
		return v.text
	case kindList:
		return reprList(v.items)
	default:
		return reprSet(v.items)
	}
}

// MarshalJSON gives null, a string or an array of strings; a string for what
// is none of these.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case kindNone:
		return []byte("null"), nil
	case kindText, kindOther:
		return json.Marshal(v.text)
	default:
		if len(v.items) == 0 {
			return []byte("[]"), nil
		}
		return json.Marshal(v.items)
	}
}

// empty is what Python takes for false, of texts, lists and sets.
func (v Value) empty() bool { return v.text == "" && len(v.items) == 0 }

// equal is Python's ==; two sets are equal whatever their order was.
func (v Value) equal(o Value) bool {
	if v.kind == kindOther && o.kind == kindOther {
		return v.text == o.text || sameNumber(v.text, o.text)
	}
	if v.kind != o.kind || v.text != o.text || len(v.items) != len(o.items) {
		return false
	}
	for i := range v.items {
		if v.items[i] != o.items[i] {
			return false
		}
	}
	return true
}

// list is a Value that is a list.
func list(items []string) Value { return Value{kind: kindList, items: items} }

// set is a Value that is a set; items are sorted and single.
func set(items []string) Value { return Value{kind: kindSet, items: items} }
