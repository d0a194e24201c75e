package sstate

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCheckSignature(t *testing.T) {
	json := []byte(`{"basehash":"0","task":"do_compile"}`)
	z := frame(t, json)
	tests := []struct {
		about, content string
		want           error
	}{
		{"zstd", string(z), nil},
		{"zstd, skippable first", skippable + string(z), nil},
		{"pickle 4", "\x80\x04\x95\x01\x00\x00\x00\x00\x00\x00\x00}\x94.", nil},
		{"pickle 1", "}q\x00.", nil},
		{"pickle 0", "(dp0\n.", nil},
		{"empty dict", "}.", nil},
		{"empty", "", ErrEmpty},
		{"pickle cut", "\x80\x04\x95\x01\x00\x00\x00", ErrTruncated},
		{"pickle, one byte", "\x80", ErrTruncated},
		{"pickle with newline", "(dp0\n.\n", ErrTruncated},
		{"magic cut", string(z[:3]), ErrTruncated},
		{"only skippable", skippable, ErrTruncated},
		{"nothing in it", string(frame(t, nil)), ErrTruncated},
		{"garbage behind", string(z) + "garbage", ErrCorrupt},
		{"html", "<html>.", ErrCorrupt},
		{"plain JSON", string(json), ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			n := Name{Ext: ExtZstd, Side: SideSiginfo}
			err := Check(strings.NewReader(tt.content), n)
			if !errors.Is(err, tt.want) {
				t.Errorf("Check = %v, want %v", err, tt.want)
			}
			if err == nil && !Recognised([]byte(tt.content), n) {
				t.Error("whole, but not recognised")
			}
		})
	}
	for i := range z {
		if err := CheckSignature(bytes.NewReader(z[:i])); err == nil {
			t.Errorf("whole when cut at %d of %d", i, len(z))
		}
		if i == 4 || i == 5 {
			continue // frame header: an unused bit, a larger window
		}
		bad := bytes.Clone(z)
		bad[i] ^= 0x10
		if err := CheckSignature(bytes.NewReader(bad)); err == nil {
			t.Errorf("whole with byte %d flipped", i)
		}
	}
}

func TestCheckSignatureReaderError(t *testing.T) {
	z := frame(t, []byte(`{"task":"do_compile"}`))
	for _, content := range [][]byte{z, []byte("(dp0\n."), nil} {
		for i := 0; i <= len(content); i++ {
			r := io.MultiReader(bytes.NewReader(content[:i]), iotest.ErrReader(io.ErrUnexpectedEOF))
			if err := CheckSignature(r); !errors.Is(err, io.ErrUnexpectedEOF) || isVerdict(err) {
				t.Errorf("reader fails at %d: %v", i, err)
			}
		}
	}
}

func TestCheckSig(t *testing.T) {
	n := Name{Ext: ExtZstd, Side: SideSig}
	if err := Check(strings.NewReader("anything"), n); err != nil {
		t.Error(err)
	}
	if err := Check(strings.NewReader(""), n); !errors.Is(err, ErrEmpty) {
		t.Errorf("empty .sig: %v", err)
	}
	r := io.MultiReader(strings.NewReader("any"), iotest.ErrReader(io.ErrClosedPipe))
	if err := Check(r, n); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken .sig: %v", err)
	}
}

func TestRecognised(t *testing.T) {
	zst, tgz := Name{Ext: ExtZstd}, Name{Ext: ExtGzip}
	info, sig := Name{Ext: ExtGzip, Side: SideSiginfo}, Name{Ext: ExtZstd, Side: SideSig}
	tests := []struct {
		head string
		name Name
		want bool
	}{
		{"\x28\xb5\x2f\xfd", zst, true}, {"\x50\x2a\x4d\x18", zst, true}, {"\x5f\x2a\x4d\x18..", zst, true},
		{"\x60\x2a\x4d\x18", zst, false}, {"\x28\xb5\x2f", zst, false}, {"\x1f\x8b\x08\x00", zst, false},
		{"<htm", zst, false}, {"", zst, false},
		{"\x1f\x8b\x08\x00", tgz, true}, {"\x1f\x8b\x07\x00", tgz, false}, {"\x28\xb5\x2f\xfd", tgz, false}, {"", tgz, false},
		{"\x28\xb5\x2f\xfd", info, true}, {"\x50\x2a\x4d\x18", info, true}, {"\x80\x04\x95\x01", info, true},
		{"\x80", info, true}, {"(dp0", info, true}, {"{\"a\"", info, false}, {"<htm", info, false}, {"", info, false},
		{"\x89\x02", sig, true}, {"", sig, true},
	}
	for _, tt := range tests {
		if got := Recognised([]byte(tt.head), tt.name); got != tt.want {
			t.Errorf("Recognised(%q, %q%q) = %v", tt.head, tt.name.Ext, tt.name.Side, got)
		}
	}
}
