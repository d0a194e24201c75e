package sstate

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// checkBytes checks content and demands that any error is a verdict.
func checkBytes(t testing.TB, content []byte, ext string) error {
	t.Helper()
	err := CheckArchive(bytes.NewReader(content), ext)
	if err != nil && !isVerdict(err) {
		t.Fatalf("CheckArchive = %v, not a verdict on content", err)
	}
	return err
}

func TestCheckArchiveWhole(t *testing.T) {
	for _, s := range samples(t) {
		if err := checkBytes(t, s.content, s.ext); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if err := CheckArchive(iotest.OneByteReader(bytes.NewReader(s.content)), s.ext); err != nil {
			t.Errorf("%s, byte by byte: %v", s.name, err)
		}
		if err := CheckArchive(iotest.DataErrReader(bytes.NewReader(s.content)), s.ext); err != nil {
			t.Errorf("%s, EOF with the data: %v", s.name, err)
		}
		if !Recognised(s.content[:magicLen], Name{Ext: s.ext}) {
			t.Errorf("%s: not recognised", s.name)
		}
	}
}

// The files are what GNU tar 1.34 makes with pzstd 1.5.4 and gzip, as BitBake
// runs them: sparse files of 256 GiB, long names, links, a pipe.
func TestCheckArchiveOfRealTools(t *testing.T) {
	files, err := filepath.Glob("testdata/archives/*")
	if err != nil || len(files) < 6 {
		t.Fatalf("files %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			n := Name{Ext: ExtZstd}
			if strings.HasSuffix(file, ExtGzip) {
				n.Ext = ExtGzip
			}
			if err := checkBytes(t, content, n.Ext); err != nil || !Recognised(content, n) {
				t.Errorf("Check = %v, Recognised = %v", err, Recognised(content, n))
			}
			for i := 0; i < len(content); i += 1 + len(content)/20 {
				if err := checkBytes(t, content[:i], n.Ext); err == nil {
					t.Errorf("whole when cut at %d of %d", i, len(content))
				}
			}
		})
	}
}

func TestCheckArchiveTruncated(t *testing.T) {
	for _, s := range samples(t) {
		for i := range s.content {
			err := checkBytes(t, s.content[:i], s.ext)
			want := ErrTruncated
			if i == 0 {
				want = ErrEmpty
			}
			if !errors.Is(err, want) {
				t.Fatalf("%s cut at %d of %d: %v, want %v", s.name, i, len(s.content), err, want)
			}
		}
	}
}

// Each frame is valid here. Only the end mark of the tar is missing.
func TestCheckArchiveCutBetweenFrames(t *testing.T) {
	seen := 0
	for _, s := range samples(t) {
		for _, end := range s.ends {
			if end == len(s.content) {
				continue
			}
			seen++
			if err := checkBytes(t, s.content[:end], s.ext); !errors.Is(err, ErrTruncated) {
				t.Errorf("%s cut at %d: %v", s.name, end, err)
			}
		}
	}
	if seen < 3+7+3 {
		t.Errorf("only %d cuts", seen)
	}
}

// A few flips mean nothing: an unused bit of a header, another match that
// gives the same zeros. Whole is then no lie.
func TestCheckArchiveFlippedByte(t *testing.T) {
	whole := makeTar(t)
	for _, s := range samples(t) {
		found := 0
		for i := range s.content {
			bad := bytes.Clone(s.content)
			bad[i] ^= 0x10
			if checkBytes(t, bad, s.ext) != nil {
				found++
			} else if got := decoded(t, bad, s.ext); !bytes.Equal(got, whole) {
				t.Errorf("%s: whole with byte %d of %d flipped", s.name, i, len(bad))
			}
		}
		if least := len(s.content) * 9 / 10; found < least {
			t.Errorf("%s: %d flips found, want %d", s.name, found, least)
		}
	}
}

func TestCheckArchiveGarbage(t *testing.T) {
	whole := makeTar(t)
	tests := []struct {
		about, ext string
		content    []byte
		want       error
	}{
		{"empty", ExtZstd, nil, ErrEmpty},
		{"empty", ExtGzip, nil, ErrEmpty},
		{"html", ExtZstd, []byte("<html>not found</html>"), ErrCorrupt},
		{"html", ExtGzip, []byte("<html>not found</html>"), ErrCorrupt},
		{"garbage after zstd", ExtZstd, append(frame(t, whole), "garbage"...), ErrCorrupt},
		{"garbage after gzip", ExtGzip, append(member(t, whole), "more than a header"...), ErrCorrupt},
		{"one byte after zstd", ExtZstd, append(frame(t, whole), 0), ErrTruncated},
		{"one byte after gzip", ExtGzip, append(member(t, whole), 0), ErrTruncated},
		{"zstd as gzip", ExtGzip, frame(t, whole), ErrCorrupt},
		{"gzip as zstd", ExtZstd, member(t, whole), ErrCorrupt},
		{"plain tar", ExtZstd, whole, ErrCorrupt},
		{"no format", ".zip", whole, ErrCorrupt},
		{"frame without content", ExtZstd, frame(t, nil), ErrTruncated},
		{"member without content", ExtGzip, member(t, nil), ErrTruncated},
		{"text in zstd", ExtZstd, frame(t, bytes.Repeat([]byte("text"), 1000)), ErrCorrupt},
		{"zeros in zstd", ExtZstd, frame(t, make([]byte, 512)), nil},
		{"less than a block", ExtZstd, frame(t, make([]byte, 511)), ErrTruncated},
		{"anything behind the mark", ExtZstd, frame(t, append(bytes.Clone(whole), "anything"...)), nil},
		{"bad frame behind the mark", ExtZstd, append(frame(t, whole), frame(t, whole)[:99]...), ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.about+tt.ext, func(t *testing.T) {
			if err := checkBytes(t, tt.content, tt.ext); !errors.Is(err, tt.want) {
				t.Errorf("CheckArchive = %v, want %v", err, tt.want)
			}
		})
	}
}

// An error of the reader is never a verdict, wherever it strikes. At the start
// of a frame zstd takes io.ErrUnexpectedEOF, which net/http returns for a short
// body, for a good end.
func TestCheckArchiveReaderError(t *testing.T) {
	for _, cause := range []error{io.ErrUnexpectedEOF, errors.New("stalled")} {
		for _, s := range samples(t) {
			for i := 0; i <= len(s.content); i++ {
				r := io.MultiReader(bytes.NewReader(s.content[:i]), iotest.ErrReader(cause))
				err := CheckArchive(r, s.ext)
				if !errors.Is(err, cause) || isVerdict(err) {
					t.Fatalf("%s: reader fails at %d: %v, want %v", s.name, i, err, cause)
				}
			}
		}
	}
}

// readFunc is a reader that answers with what it returns.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// What came with an error could be a second of decoding away from it.
func TestSourceMeetsErrorAtOnce(t *testing.T) {
	calls := 0
	s := &source{r: readFunc(func(p []byte) (int, error) {
		calls++
		return len(p), io.ErrClosedPipe
	})}
	for range 2 {
		if n, err := s.Read(make([]byte, 10)); n != 0 || err != io.ErrClosedPipe {
			t.Errorf("Read = %d, %v", n, err)
		}
	}
	if calls != 1 {
		t.Errorf("asked %d times", calls)
	}
}

func TestCheckDispatchesByExtension(t *testing.T) {
	whole := makeTar(t)
	if err := Check(bytes.NewReader(member(t, whole)), Name{Ext: ExtGzip}); err != nil {
		t.Error(err)
	}
	if err := Check(bytes.NewReader(member(t, whole)), Name{Ext: ExtZstd}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("gzip under a zstd name: %v", err)
	}
}

func FuzzCheckArchive(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.content, s.ext == ExtGzip)
	}
	f.Fuzz(func(t *testing.T, content []byte, gz bool) {
		ext := ExtZstd
		if gz {
			ext = ExtGzip
		}
		const limit = 2 << 10 // 4 KiB of RLE blocks are 128 MiB
		b := bounds{window: 1 << 20, decoded: 1 << 30}
		content = content[:min(len(content), limit)]
		err := checkArchive(bytes.NewReader(content), ext, b)
		if err != nil {
			if !isVerdict(err) || errors.Is(err, ErrEmpty) != (len(content) == 0) {
				t.Fatalf("%v", err)
			}
			return
		}
		if !Recognised(content, Name{Ext: ext}) {
			t.Fatal("whole, but not recognised")
		}
		if checkArchive(bytes.NewReader(content[:len(content)-1]), ext, b) == nil {
			t.Fatal("whole without its last byte")
		}
	})
}

func BenchmarkCheckArchive(b *testing.B) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	body := make([]byte, 64<<10)
	for i := range 500 {
		for j := range body {
			body[j] = byte(rand.Uint32() & 0x0f)
		}
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprint(i), Size: int64(len(body))}); err != nil {
			b.Fatal(err)
		}
		w.Write(body)
	}
	w.Close()
	z := frame(b, buf.Bytes())
	b.SetBytes(int64(buf.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if err := CheckArchive(bytes.NewReader(z), ExtZstd); err != nil {
			b.Fatal(err)
		}
	}
}
