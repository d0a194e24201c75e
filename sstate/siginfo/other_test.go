package siginfo

import (
	"fmt"
	"strings"
	"testing"
)

// What Python code can put in a variable beside a text. want is what Python's
// str() gives.
func TestReadOtherValues(t *testing.T) {
	for _, test := range []struct{ json, want string }{
		{`0`, "0"},
		{`-1180591620717411303424`, "-1180591620717411303424"},
		{`1e+22`, "1e+22"},
		{`true`, "True"},
		{`[]`, "[]"},
		{`["a",1,null,[false,"it's"]]`, `['a', 1, None, [False, "it's"]]`},
		{`{"b":{},"a":{"_set_object":["y","x"]}}`, "{'a': frozenset({'x', 'y'}), 'b': {}}"},
		{`{"_set_object":[2,1]}`, "frozenset({2, 1})"},
	} {
		text := fmt.Sprintf(`{"basehash":"b","varvals":{"V":%s}}`, test.json)
		s, err := Read(strings.NewReader(text))
		if err != nil {
			t.Errorf("Read(%s): %v", text, err)
			continue
		}
		if got := s.VarVals["V"].String(); got != test.want {
			t.Errorf("%s is %s, want %s", test.json, got, test.want)
		}
		if got := s.VarVals["V"].Text(); got != "" {
			t.Errorf("%s has the text %q", test.json, got)
		}
	}
}

func TestReadPickledNumbers(t *testing.T) {
	for _, test := range []struct{ code, want string }{
		{"I-7\n", "-7"},
		{"I01\n", "True"},
		{"L99999999999999999999L\n", "99999999999999999999"},
		{"F1e22\n", "1e+22"},
		{"\x8a\x00", "0"},
		{"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00", "9223372036854775808"},
		{"\x8a\x02\x00\xff", "-256"},
		{"J\xff\xff\xff\xff", "-1"},
		{"G\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5"},
		{"G\x40\x00\x00\x00\x00\x00\x00\x00", "2.0"},
		{"G\x7f\xf0\x00\x00\x00\x00\x00\x00", "inf"},
		{"G\x3e\xe4\xf8\xb5\x88\xe3\x68\xf1", "1e-05"},
	} {
		s, err := Read(strings.NewReader("}(Vbasehash\nVb\nVvarvals\n}Vv\n" + test.code + "su."))
		if err != nil {
			t.Errorf("%q: %v", test.code, err)
			continue
		}
		if got := s.VarVals["v"].String(); got != test.want {
			t.Errorf("%q is %s, want %s", test.code, got, test.want)
		}
	}
}

// A value that is no text differs from the text that looks like it; numbers are
// compared as numbers.
func TestDiffOtherValues(t *testing.T) {
	for _, test := range []struct {
		before, after Value
		want          string
	}{
		{other("0"), Text("0"), "Variable V value changed from '0' to '0'"},
		{other("0"), other("False"), ""},
		{other("1"), other("1.0"), ""},
		{other("[1]"), other("[2]"), "Variable V value changed from '[1]' to '[2]'"},
		{other("9007199254740993"), other("9007199254740992"), "Variable V value changed from '9007199254740993' to '9007199254740992'"},
	} {
		a, b := &Signature{VarVals: map[string]Value{"V": test.before}}, &Signature{VarVals: map[string]Value{"V": test.after}}
		if got := strings.Join(compare(t, a, b, Options{}).Lines(Plain), "\n"); got != test.want {
			t.Errorf("%s and %s: %q, want %q", test.before, test.after, got, test.want)
		}
	}
}
