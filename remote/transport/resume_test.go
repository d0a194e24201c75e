package transport

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"sstatefs/remote"
)

// cut is a body that breaks after its text.
func cut(text string, err error) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(text), iotest.ErrReader(err)))
}

func TestResume(t *testing.T) {
	refused := errors.New("refused")
	const content = "0123456789"
	for name, test := range map[string]struct {
		bodies []io.ReadCloser // of the first answer and of those for the rest
		err    error           // of the answer after them
		got    string
		want   error
	}{
		"whole":           {[]io.ReadCloser{cut(content, io.EOF)}, nil, content, nil},
		"longer":          {[]io.ReadCloser{cut(content+"x", io.EOF)}, nil, content, nil},
		"cut":             {[]io.ReadCloser{cut("0123", io.ErrUnexpectedEOF), cut("456789", io.EOF)}, nil, content, nil},
		"reset":           {[]io.ReadCloser{cut("0123", syscall.ECONNRESET), cut("456789", io.EOF)}, nil, content, nil},
		"cut at once":     {[]io.ReadCloser{cut("", io.ErrUnexpectedEOF), cut(content, io.EOF)}, nil, content, nil},
		"cut twice":       {[]io.ReadCloser{cut("0", io.ErrUnexpectedEOF), cut("1", io.ErrUnexpectedEOF), cut("23456789", io.EOF)}, nil, content, nil},
		"cut in place":    {[]io.ReadCloser{cut("01", io.ErrUnexpectedEOF), cut("", io.ErrUnexpectedEOF)}, nil, "01", io.ErrUnexpectedEOF},
		"ends":            {[]io.ReadCloser{cut("01", io.EOF), cut("", io.EOF)}, nil, "01", remote.ErrCorrupt},
		"refused":         {[]io.ReadCloser{cut("01", io.ErrUnexpectedEOF)}, refused, "01", refused},
		"another failure": {[]io.ReadCloser{cut("01", refused)}, nil, "01", refused},
	} {
		at, next := 0, 1
		body := Resume(t.Context(), test.bodies[0], Range{0, int64(len(content))},
			func(_ context.Context, offset int64) (io.ReadCloser, error) {
				if next == len(test.bodies) {
					return nil, test.err
				}
				if offset < int64(at) {
					t.Errorf("%s: asked for %d after %d", name, offset, at)
				}
				at = int(offset)
				next++
				return test.bodies[next-1], nil
			})
		got, err := io.ReadAll(body)
		if string(got) != test.got || !errors.Is(err, test.want) {
			t.Errorf("%s: %q, %v, want %q, %v", name, got, err, test.got, test.want)
		}
		if next != len(test.bodies) {
			t.Errorf("%s: %d requests, want %d", name, next, len(test.bodies))
		}
		if n, again := body.Read(make([]byte, 1)); n != 0 || err != nil && !errors.Is(again, test.want) {
			t.Errorf("%s: Read after the end = %d, %v", name, n, again)
		}
		body.Close()
	}
}

// TestResumeEnded: who has gone asks for nothing.
func TestResumeEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	body := Resume(ctx, cut("01", io.ErrUnexpectedEOF), Range{0, 10}, func(context.Context, int64) (io.ReadCloser, error) {
		t.Error("the rest was asked for")
		return nil, io.EOF
	})
	if got, err := io.ReadAll(body); len(got) != 2 || err == nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestResumeLittle: who gets little of each answer gives up soon, and who gets
// much goes on.
func TestResumeLittle(t *testing.T) {
	for name, test := range map[string]struct {
		step, size int
		asked      int
		want       error
	}{
		"little":         {100, 1 << 20, resumeTries, io.ErrUnexpectedEOF},
		"much":           {resumeStep, 64 * resumeStep, 63, nil},
		"little is left": {100, 1000, 9, nil},
	} {
		asked := 0
		body := Resume(t.Context(), cut(strings.Repeat("x", test.step), io.ErrUnexpectedEOF), Range{0, int64(test.size)},
			func(context.Context, int64) (io.ReadCloser, error) {
				asked++
				return cut(strings.Repeat("x", test.step), io.ErrUnexpectedEOF), nil
			})
		n, err := io.Copy(io.Discard, body)
		body.Close()
		if !errors.Is(err, test.want) || asked != test.asked || err == nil && n != int64(test.size) {
			t.Errorf("%s: read %d bytes, %v, asked %d times, want %v after %d", name, n, err, asked, test.want, test.asked)
		}
	}
}
