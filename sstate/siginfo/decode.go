package siginfo

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// signatureOf makes a Signature of what decodeJSON or decodePickle returned.
func signatureOf(root any) (*Signature, error) {
	dict, is := root.(map[string]any)
	if !is {
		return nil, errors.New("no object at the top")
	}
	rename(dict, "basewhitelist", "basehash_ignore_vars")
	rename(dict, "taskwhitelist", "taskhash_ignore_tasks")
	d := &decoder{dict: dict, left: maxContent}
	s := &Signature{
		Task:                d.text("task"),
		BaseHashIgnoreVars:  d.set("basehash_ignore_vars"),
		TaskHashIgnoreTasks: d.pattern("taskhash_ignore_tasks"),
		TaskDeps:            d.names("taskdeps"),
		GenDeps:             fieldMap(d, "gendeps", d.asSet),
		VarVals:             fieldMap(d, "varvals", d.asValue),
		BaseHash:            d.text("basehash"),
		RunTaskDeps:         d.names("runtaskdeps"),
		RunTaskHashes:       fieldMap(d, "runtaskhashes", d.asText),
		FileChecksums:       d.files("file_checksum_values"),
		Taint:               d.value("taint"),
		TaskHash:            d.text("taskhash"),
		UniHash:             d.text("unihash"),
	}
	_, s.hasIgnoreTasks = dict["taskhash_ignore_tasks"]
	if d.err == nil && s.BaseHash == "" {
		d.err = errors.New("no basehash in it")
	}
	return s, d.err
}

// rename gives the keys of before BitBake 2.0 the names of today
// (siggen.handle_renames).
func rename(dict map[string]any, old, new string) {
	if value, there := dict[old]; there {
		dict[new] = value
		delete(dict, old)
	}
}

// decoder takes fields out of an object. The first error stays.
type decoder struct {
	dict map[string]any
	key  string // of the field at hand
	left int    // how many bytes more a signature may have: a pickle can repeat what it has once
	err  error
}

func (d *decoder) fail(want string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: want %s", d.key, want)
	}
}

// spend accounts for a text.
func (d *decoder) spend(s string) string {
	const overhead = 16
	if d.left -= len(s) + overhead; d.left < 0 && d.err == nil {
		d.err = errTooLarge
	}
	return s
}

// field returns a field, nil when it is null or missing.
func (d *decoder) field(key string) any {
	d.key = key
	return d.dict[key]
}

func (d *decoder) text(key string) string {
	if v := d.field(key); v != nil {
		return d.asText(v)
	}
	return ""
}

func (d *decoder) value(key string) Value { return d.asValue(d.field(key)) }

// pattern is a value that other code searches in, again and again.
func (d *decoder) pattern(key string) Value {
	v := d.value(key)
	if v.bytes() > maxPattern {
		d.fail(fmt.Sprintf("a pattern of at most %d KiB", maxPattern>>10))
	}
	return v
}

func (d *decoder) set(key string) []string {
	if v := d.field(key); v != nil {
		return d.asSet(v)
	}
	return nil
}

// names is a list of texts, in its order.
func (d *decoder) names(key string) []string {
	v := d.field(key)
	if v == nil {
		return nil
	}
	items, isSet, ok := elements(v)
	if !ok {
		d.fail("a list")
		return nil
	}
	names := d.asTexts(items)
	if isSet {
		slices.Sort(names)
	}
	return names
}

// files is the list of checksums, which before BitBake 1.46 was an object.
func (d *decoder) files(key string) []FileChecksum {
	v := d.field(key)
	if v == nil {
		return nil
	}
	if dict, is := v.(map[string]any); is && !isJSONSet(dict) {
		files := make([]FileChecksum, 0, len(dict))
		for _, name := range slices.Sorted(maps.Keys(dict)) {
			files = append(files, FileChecksum{d.spend(name), d.asValue(dict[name])})
		}
		return files
	}
	items, _, ok := elements(v)
	if !ok {
		d.fail("a list")
		return nil
	}
	files := make([]FileChecksum, 0, len(items))
	for _, item := range items {
		pair, isSet, ok := elements(item)
		if !ok || isSet || len(pair) != 2 {
			d.fail("pairs of name and checksum")
			return nil
		}
		files = append(files, FileChecksum{d.asText(pair[0]), d.asValue(pair[1])})
	}
	return files
}

// fieldMap is an object whose values are all of one type.
func fieldMap[T any](d *decoder, key string, as func(any) T) map[string]T {
	v := d.field(key)
	if v == nil {
		return nil
	}
	dict, is := v.(map[string]any)
	if !is {
		d.fail("an object")
		return nil
	}
	values := make(map[string]T, len(dict))
	for name, v := range dict {
		if values[d.spend(name)] = as(v); d.err != nil {
			return nil
		}
	}
	return values
}

func (d *decoder) asText(v any) string {
	s, is := v.(string)
	if !is {
		d.fail("a text")
	}
	return d.spend(s)
}

// asValue is a value of a variable: a text or None, or whatever a recipe's
// Python code has set.
func (d *decoder) asValue(v any) Value {
	switch v := v.(type) {
	case nil:
		return Value{}
	case string:
		return Text(d.spend(v))
	}
	items, isSet, ok := elements(v)
	switch {
	case !ok || slices.ContainsFunc(items, notText):
		return d.other(v)
	case isSet:
		return set(d.asSet(v))
	}
	return list(d.asTexts(items))
}

func notText(v any) bool {
	_, is := v.(string)
	return !is
}

// asSet is a set of texts, sorted.
func (d *decoder) asSet(v any) []string {
	if v == nil {
		return []string{}
	}
	items, _, ok := elements(v)
	if !ok {
		d.fail("a set")
		return nil
	}
	names := d.asTexts(items)
	slices.Sort(names)
	return slices.Compact(names)
}

func (d *decoder) asTexts(items []any) []string {
	texts := make([]string, 0, min(len(items), max(d.left, 0)))
	for _, item := range items {
		if texts = append(texts, d.asText(item)); d.err != nil {
			return nil
		}
	}
	return texts
}

// elements are those of a list, tuple or set of either format.
func elements(v any) (items []any, isSet, ok bool) {
	switch v := v.(type) {
	case []any:
		return v, false, true
	case *sequence:
		return v.items, v.isSet, true
	case map[string]any:
		if isJSONSet(v) {
			items, ok = v[setKey].([]any)
			return items, true, ok
		}
	}
	return nil, false, false
}

func isJSONSet(dict map[string]any) bool {
	_, is := dict[setKey]
	return is
}
