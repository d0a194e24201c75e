package siginfo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

var errManyValues = fmt.Errorf("more than %d values", maxValues)

// setKey is how BitBake writes a set in JSON: an object with this key alone
// (siggen.SetEncoder).
const setKey = "_set_object"

// decodeJSON returns nil, bool, string, json.Number, []any and map[string]any,
// as encoding/json does. It bounds the nesting itself, to 10,000.
func decodeJSON(text []byte) (any, error) {
	// Each value but the first stands behind one of these. Those within texts
	// count too, which only makes the bound lower.
	count := bytes.Count(text, []byte{','}) + bytes.Count(text, []byte{'['}) + bytes.Count(text, []byte{'{'})
	if count > maxValues {
		return nil, errManyValues
	}
	if !utf8.Valid(text) {
		return nil, errors.New("JSON: not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var root any
	if err := d.Decode(&root); err != nil {
		return nil, jsonError(err)
	}
	if d.More() {
		return nil, errors.New("JSON: more behind the end")
	}
	return root, nil
}

func jsonError(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("JSON: %w (byte %d)", err, syntax.Offset)
	}
	return fmt.Errorf("JSON: %w", err)
}
