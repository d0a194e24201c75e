package sstate

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// header returns a tar header of type flag whose size field is field.
func header(flag byte, field string) []byte {
	var b block
	copy(b[:], "name")
	copy(b[124:136], field)
	b[156] = flag
	return b.sealed()
}

// sealed returns the block with its checksum set.
func (b *block) sealed() []byte {
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:156], octal(sum)+"\x00 ")
	return b[:]
}

func octal(n int) string {
	digits := []byte("000000")
	for i := len(digits) - 1; i >= 0; i, n = i-1, n/8 {
		digits[i] += byte(n % 8)
	}
	return string(digits)
}

func TestWalkTarEnds(t *testing.T) {
	zeros := strings.Repeat("\x00", tarBlock)
	text := strings.Repeat("text", tarBlock/4)
	h := func(flag byte, field string) string { return string(header(flag, field)) }
	sparse := func(more byte) string {
		b := block(header('S', "1000"))
		b[482] = more
		return string(b.sealed())
	}
	extension := func(more byte) string {
		var b block
		b[504] = more
		return string(b[:])
	}
	pax := func(records string) string {
		return h('x', octal(len(records))) + records + strings.Repeat("\x00", int(padding(int64(len(records)))))
	}
	binary := func(high, low string) string {
		return h('0', high+strings.Repeat("\x00", 12-len(high)-len(low))+low)
	}
	tests := []struct {
		about, content string
		want           error
	}{
		{"no entry", zeros, nil},
		{"nothing", "", ErrTruncated},
		{"half a block", zeros[:256], io.ErrUnexpectedEOF},
		{"no mark", h('0', "0"), ErrTruncated},
		{"file", h('0', "1000") + text + zeros, nil},
		{"file ends in zeros, no mark", h('0', "1000") + zeros, ErrTruncated},
		{"file cut", h('0', "1001") + text, io.ErrUnexpectedEOF},
		{"padding cut", h('0', "777") + text[:511], io.ErrUnexpectedEOF},
		{"leading spaces", h('0', "    1000 ") + text + zeros, nil},
		{"digits up to a NUL", h('0', "1000\x00x") + text + zeros, nil},
		{"binary size", binary("\x80", "\x02\x00") + text + zeros, nil},
		{"negative size", binary("\xff", "\xff\xff"), ErrCorrupt},
		{"size above 63 bits", binary("\x80\x00\x00\x00\x80", ""), ErrCorrupt},
		{"size above 64 bits", binary("\x80\x00\x01", ""), ErrCorrupt},
		{"largest size", binary("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", ""), io.ErrUnexpectedEOF},
		{"size no number", h('0', "12x"), ErrCorrupt},
		{"size eight", h('0', "8"), ErrCorrupt},
		{"link with size", h('1', "1000") + zeros, nil},
		{"folder with size", h('5', "1000") + zeros, nil},
		{"unknown type", h('Z', "1000") + text + zeros, nil},
		{"long name", h('L', "1000") + text + h('0', "0") + zeros, nil},
		{"sparse", sparse(0) + text + zeros, nil},
		{"sparse, extended", sparse(1) + extension(1) + extension(0) + text + zeros, nil},
		{"sparse, map cut", sparse(1) + extension(1), io.ErrUnexpectedEOF},
		{"PAX size", pax("11 a=12345\n12 size=512\n") + h('0', "0") + text + zeros, nil},
		{"PAX size, long name between", pax("12 size=512\n") + h('L', "1000") + text + h('0', "0") + text + zeros, nil},
		{"PAX size for one entry", pax("12 size=512\n") + h('0', "0") + text + h('0', "0") + zeros, nil},
		{"PAX size replaced", pax("12 size=512\n") + pax("7 a=1\n\n") + h('0', "0") + zeros, nil},
		{"PAX size not global", h('g', "14") + "12 size=512\n" + zeros[12:] + h('0', "0") + zeros, nil},
		{"PAX size forgotten", pax("12 size=512\n") + h('g', "0") + h('0', "0") + zeros, nil},
		{"PAX size empty", pax("8 size=\n") + h('0', "1000") + text + zeros, nil},
		{"PAX cut", pax("12 size=512\n")[:700], io.ErrUnexpectedEOF},
		{"PAX without number", pax("size=512\n"), ErrCorrupt},
		{"PAX too long", pax("13 size=512\n"), ErrCorrupt},
		{"PAX too short", pax("2 size=512\n"), ErrCorrupt},
		{"PAX zero", pax("0 size=512\n"), ErrCorrupt},
		{"PAX size negative", pax("11 size=-1\n"), ErrCorrupt},
		{"PAX header of 1 GiB", h('x', "10000000000"), ErrCorrupt},
		{"wrong checksum", "x" + h('0', "0")[1:], ErrCorrupt},
		{"text", text, ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			if err := walkTar(strings.NewReader(tt.content)); !errors.Is(err, tt.want) {
				t.Errorf("walkTar = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestWalkTarSignedChecksum(t *testing.T) {
	b := block(header('0', "0"))
	b[0] = 0xff // -1 for those who add signed bytes
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b {
		sum += int(int8(c))
	}
	copy(b[148:156], octal(sum)+"\x00 ")
	if err := walkTar(io.MultiReader(bytes.NewReader(b[:]), bytes.NewReader(make([]byte, tarBlock)))); err != nil {
		t.Error(err)
	}
}

// Whatever archive/tar reads to its end is at most truncated for us: by the
// end mark, of which archive/tar does not tell, or the padding before it.
func FuzzWalkTar(f *testing.F) {
	f.Add(makeTar(f))
	for _, s := range []string{"gnu-sparse.tar.zst", "posix-sparse.tar.zst"} {
		content, err := os.ReadFile("testdata/archives/" + s)
		if err != nil {
			f.Fatal(err)
		}
		// Its folders and long names; the pieces of the sparse file are long.
		f.Add(decoded(f, content, ExtZstd)[:8<<10])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		content = sealAll(content)
		got := walkTar(bytes.NewReader(content))
		r := tar.NewReader(bytes.NewReader(content))
		var err error
		for err == nil {
			_, err = r.Next()
		}
		truncated := errors.Is(got, ErrTruncated) || errors.Is(got, io.ErrUnexpectedEOF)
		if err == io.EOF && got != nil && !truncated {
			t.Fatalf("walkTar = %v where archive/tar has none", got)
		}
	})
}

// sealAll returns content with the checksums of its headers mended, which no
// fuzzer gets right.
func sealAll(content []byte) []byte {
	content = bytes.Clone(content)
	for rest := content; len(rest) >= tarBlock; rest = rest[tarBlock:] {
		if b := (*block)(rest); string(b[257:262]) == "ustar" {
			b.sealed()
		}
	}
	return content
}
