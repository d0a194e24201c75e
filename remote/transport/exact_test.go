package transport

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sstatefs/remote"
)

// TestExact: the whole content is never given when something is wrong with it,
// even if that shows only after it.
func TestExact(t *testing.T) {
	broken := errors.New("broken")
	ended, end := context.WithCancel(t.Context())
	end()
	for name, test := range map[string]struct {
		ctx  context.Context
		in   io.Reader
		size int64
		want error
	}{
		"right":           {t.Context(), strings.NewReader("12345"), 5, nil},
		"end with data":   {t.Context(), iotest.DataErrReader(strings.NewReader("12345")), 5, nil},
		"byte by byte":    {t.Context(), iotest.OneByteReader(strings.NewReader("12345")), 5, nil},
		"empty":           {t.Context(), strings.NewReader(""), 0, nil},
		"short":           {t.Context(), strings.NewReader("1234"), 5, remote.ErrCorrupt},
		"long":            {t.Context(), strings.NewReader("123456"), 5, remote.ErrCorrupt},
		"not empty":       {t.Context(), strings.NewReader("1"), 0, remote.ErrCorrupt},
		"broken":          {t.Context(), io.MultiReader(strings.NewReader("12"), iotest.ErrReader(broken)), 5, broken},
		"broken at end":   {t.Context(), io.MultiReader(strings.NewReader("12345"), iotest.ErrReader(broken)), 5, broken},
		"no longer asked": {ended, strings.NewReader("12345"), 5, context.Canceled},
	} {
		e := NewExact(test.ctx, io.NopCloser(test.in), test.size)
		got, err := io.ReadAll(e)
		if !errors.Is(err, test.want) || !errors.Is(e.Err(), test.want) || (int64(len(got)) == test.size) != (err == nil) && test.size > 0 {
			t.Errorf("%s: %q, %v, Err = %v, want %v", name, got, err, e.Err(), test.want)
		}
		if _, again := e.Read(make([]byte, 1)); err == nil && again != io.EOF || err != nil && !errors.Is(again, test.want) {
			t.Errorf("%s: Read after the end = %v", name, again)
		}
	}
}
