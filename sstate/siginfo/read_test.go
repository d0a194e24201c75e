package siginfo

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// packed is content in zstd.
func packed(t testing.TB, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

// pickleNames are the files in testdata/pickles.
func pickleNames() []string {
	return []string{"protocol-0", "protocol-1", "protocol-2", "protocol-3", "protocol-4", "protocol-5", "files-dict"}
}

func other(text string) Value { return Value{kind: kindOther, text: text} }

func TestReadPickleProtocols(t *testing.T) {
	want := &Signature{
		Task:                "do_compile",
		BaseHashIgnoreVars:  []string{"PWD", "USER"},
		TaskDeps:            []string{"A", "B"},
		GenDeps:             map[string][]string{"A": {"B"}, "B": {}},
		BaseHash:            "b",
		RunTaskDeps:         []string{"a:do_x"},
		RunTaskHashes:       map[string]string{"a:do_x": "h"},
		FileChecksums:       []FileChecksum{{"f", Text("s")}, {"f", Value{}}, {"./g/h", Text("t")}},
		Taint:               Text("nostamp:u"),
		TaskHashIgnoreTasks: Value{},
		VarVals: map[string]Value{"A": Text("caf\u00e9 \u65e5"), "B": {}, "N": other("70000"), "T": other("True"),
			"do_compile": Text(strings.Repeat("x", 300))},
		hasIgnoreTasks: true,
	}
	for _, name := range pickleNames() {
		content, err := os.ReadFile("testdata/pickles/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "files-dict" {
			want.FileChecksums = []FileChecksum{{"f", Text("s")}, {"g", Value{}}}
		}
		got, err := Read(bytes.NewReader(content))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Read(%s) = %+v, %v, want %+v", name, got, err, want)
		}
		for cut := range content {
			if _, err := Read(bytes.NewReader(content[:cut])); !errors.Is(err, ErrBroken) {
				t.Fatalf("Read(%s cut at %d) = %v, want ErrBroken", name, cut, err)
			}
		}
	}
}

func TestReadJSON(t *testing.T) {
	const text = `{"basehash":"b","taskhash_ignore_tasks":{"_set_object":["b","a","b"]},"varvals":{"A":null,"B":"","N":1.5},` +
		`"gendeps":{"A":{"_set_object":[]}},"unknown":{"x":[1,{}]}}`
	for name, content := range map[string][]byte{
		"bare":  []byte("\n " + text + "\n"),
		"zstd":  packed(t, []byte(text)),
		"pzstd": append([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}, packed(t, []byte(text))...),
	} {
		s, err := Read(bytes.NewReader(content))
		if err != nil {
			t.Errorf("Read(%s): %v", name, err)
			continue
		}
		if got := s.TaskHashIgnoreTasks.String(); got != "frozenset({'a', 'b'})" {
			t.Errorf("%s: TaskHashIgnoreTasks = %s", name, got)
		}
		if !s.VarVals["A"].None() || s.VarVals["B"].None() || s.VarVals["N"].String() != "1.5" {
			t.Errorf("%s: VarVals = %v", name, s.VarVals)
		}
		if s.GenDeps["A"] == nil || s.RunTaskDeps != nil || s.RunTaskHashes != nil || s.FileChecksums != nil {
			t.Errorf("%s: an empty set is missing, or a missing key is empty: %+v", name, s)
		}
	}
}

func TestReadBroken(t *testing.T) {
	good := packed(t, []byte(`{"basehash":"b"}`))
	for _, test := range []struct {
		name    string
		content string
		want    string
	}{
		{"empty", "", "empty"},
		{"text", "<html>", "neither zstd nor pickle nor JSON"},
		{"cut zstd", string(good[:len(good)-3]), "truncated"},
		{"zstd with a bit turned", string(good[:len(good)-1]) + "\x00", "zstd: "},
		{"skippable frame alone", "\x50\x2a\x4d\x18\x00\x00\x00\x00", "truncated"},
		{"zstd of something else", string(packed(t, []byte("hello"))), "JSON: "},
		{"cut JSON", `{"basehash":`, "JSON: "},
		{"more JSON", `{"basehash":"b"}{}`, "JSON: more behind the end"},
		{"deep JSON", strings.Repeat(`{"a":`, 1e5), "JSON: "},
		{"no object", string(packed(t, []byte("[]"))), "no object at the top"},
		{"no signature", `{"a":1}`, "no basehash in it"},
		{"wrong type", `{"basehash":"b","gendeps":[]}`, "gendeps: want an object"},
		{"wrong name", `{"basehash":"b","taskdeps":[1]}`, "taskdeps: want a text"},
		{"wrong pair", `{"basehash":"b","file_checksum_values":[["a"]]}`, "file_checksum_values: want pairs of name and checksum"},
		{"bad set", `{"basehash":"b","gendeps":{"a":{"_set_object":1}}}`, "gendeps: want a set"},
		{"many values", `{"a":[` + strings.Repeat("1,", maxValues) + `1]}`, "more than 524288 values"},
		{"large", `{"basehash":"` + strings.Repeat("b", maxContent) + `"}`, "more than 16 MiB"},
		{"zstd bomb", string(packed(t, bytes.Repeat([]byte(" "), maxContent+1))), "more than 16 MiB"},
	} {
		s, err := Read(strings.NewReader(test.content))
		if s != nil || !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Read() = %v, %v, want %q", test.name, s, err, test.want)
		} else if strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
			t.Errorf("%s: the error is no short line: %q", test.name, err)
		}
	}
}

// Nothing in a pickle is called, whatever it asks for.
func TestReadRefusesPickles(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"system", "\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", `global "os.system" is not of a signature`},
		{"eval", "\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.", `global "__builtin__.eval" is not of a signature`},
		{"stack global", "\x80\x04\x8c\x02os\x8c\x06system\x93.", `global "os.system" is not of a signature`},
		{"long name", "\x80\x02c" + strings.Repeat("a", 1e6) + "\nb\n.", "is not of a signature"},
		{"inst", "\x80\x02(ios\nsystem\n.", "opcode 0x69 is not of a signature"},
		{"object", "\x80\x02)\x81.", "opcode 0x81 is not of a signature"},
		{"build", "\x80\x02}}b.", "opcode 0x62 is not of a signature"},
		{"persistent", "\x80\x02Pid\n.", "opcode 0x50 is not of a signature"},
		{"extension", "\x80\x02\x82\x01.", "opcode 0x82 is not of a signature"},
		{"text of Python 2", "(dp0\nS'a'\n.", "opcode 0x53 is not of a signature"},
		{"protocol 9", "\x80\x09}.", "protocol 9 is not known"},
		{"call of a list", "\x80\x02]\x85R.", "nothing on the stack"},
		{"call of a text", "\x80\x02X\x00\x00\x00\x00)R.", "a call that is not of a signature"},
		{"set of a text", "\x80\x02cbuiltins\nset\nX\x00\x00\x00\x00\x85R.", "a set that is not made from a list"},
		{"no memo", "\x80\x04h\x07.", "no object 7 in the memo"},
		{"empty stack", "\x80\x04.", "nothing on the stack"},
		{"no mark", "\x80\x04}u.", "no mark on the stack"},
		{"odd items", "\x80\x04}(Nu.", "a key without a value"},
		{"strange key", "\x80\x04}(NNu.", "a key that is no text"},
		{"a memo without end", "\x80\x04}" + strings.Repeat("\x94", maxValues+2), "more than 524288 values"},
		{"a list in itself", "\x80\x02}(U\x08basehashU\x01bU\x07varvals}U\x01A]q\x00h\x00asu.", "varvals: want less in one another"},
		{"a long number", "(dp0\nVbasehash\nL" + strings.Repeat("9", 1e6) + "L\ns.", "a number that is none"},
		{"more on the stack", "\x80\x04}}.", "more behind the end"},
		{"more bytes", "\x80\x04}.x", "more behind the end"},
		{"a length beyond the end", "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "truncated"},
		{"tuple filled", "\x80\x04)Na.", "of another type"},
		{"list at the top", "\x80\x04].", "no object at the top"},
		{"a list of itself", "\x80\x04}\x8c\x08basehash]\x94h\x00as.", "basehash: want a text"},
	} {
		_, err := Read(strings.NewReader(test.content))
		if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Read() = %v, want %q", test.name, err, test.want)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: the error is %d bytes long", test.name, len(err.Error()))
		}
	}
}

// A pickle of 2 MB that refers 200,000 times to a set of 1,000 names.
func TestReadPickleBomb(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("\x80\x04}\x8c\x07gendeps}\x8c\x01k\x8f\x94(")
	for i := range 1000 {
		b.WriteString("\x8c\x03")
		b.WriteString(string([]byte{byte('a' + i%26), byte('a' + i/26%26), byte('a' + i/676)}))
	}
	b.WriteString("\x90s")
	for i := range 200000 {
		b.WriteString("\x8c\x04")
		b.Write([]byte{byte('a' + i%26), byte('a' + i/26%26), byte('a' + i/676%26), byte('a' + i/17576%26)})
		b.WriteString("h\x00s")
	}
	b.WriteString("s.")
	_, err := Read(&b)
	if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("Read() = %v, want a bound", err)
	}
}

func TestReaderErrorIsNoVerdict(t *testing.T) {
	failed := errors.New("connection reset")
	_, err := Read(iotest.ErrReader(failed))
	if !errors.Is(err, failed) || errors.Is(err, ErrBroken) {
		t.Errorf("Read() = %v, want the reader's error alone", err)
	}
}

func FuzzJSON(f *testing.F) {
	for _, set := range []string{"synthetic", "bitbake-2.0"} {
		files := loadFixtures(f, set)
		for name, content := range files {
			if !strings.HasSuffix(name, ".siginfo") || len(content) > 2000 {
				continue
			}
			text, err := inflate(content)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
			f.Add(text)
		}
	}
	f.Fuzz(exercise)
}

func FuzzPickle(f *testing.F) {
	files := loadFixtures(f, "bitbake-1.46")
	for name, content := range files {
		if strings.HasSuffix(name, ".siginfo") && len(content) < 4000 {
			f.Add(content)
		}
	}
	for _, name := range pickleNames() {
		content, err := os.ReadFile("testdata/pickles/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(exercise)
}

// exercise reads any bytes and does with them whatever the package does.
func exercise(t *testing.T, content []byte) {
	s, err := Read(bytes.NewReader(content))
	if err != nil {
		if s != nil || !errors.Is(err, ErrBroken) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("Read() = %v, %q", s, err)
		}
		return
	}
	if changes := Diff(s, s); len(changes) > 0 {
		t.Fatalf("Diff() of a signature with itself = %v", changes)
	}
	other := &Signature{BaseHash: "x", VarVals: map[string]Value{"A": Text("a\nb"), "B": Text("a b")}}
	for _, pair := range [][2]*Signature{{s, other}, {other, s}} {
		for _, change := range Diff(pair[0], pair[1]) {
			if len(change.Lines(Colored)) == 0 {
				t.Fatalf("nothing said of %+v", change)
			}
			if _, err := json.Marshal(change); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Dump()
}
