package transport

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
)

// used is how much of a budget of so many bytes is taken.
func (b *Budget) used(all int64) int64 {
	left := int64(0)
	for b.left.TryAcquire(1) {
		left++
	}
	b.left.Release(left)
	return all - left
}

// TestBudget: readers that share a budget get no more, and each comes to its
// end, also when others stand still.
func TestBudget(t *testing.T) {
	for _, all := range []int64{0, 9, 10, 25, 60, 1000} {
		synctest.Test(t, func(t *testing.T) {
			s := newSource(1005)
			o := small
			o.Budget = NewBudget(all)
			var still []io.ReadCloser
			for range 5 {
				still = append(still, NewPieces(t.Context(), 1005, 0, s.get, o))
			}
			synctest.Wait()
			if used := o.Budget.used(all); used != min(all/10*10, 5*40) {
				t.Errorf("of %d bytes those that stand still have %d", all, used)
			}
			var readers sync.WaitGroup
			for range 5 {
				readers.Go(func() {
					p := NewPieces(t.Context(), 1005, 0, s.get, o)
					defer p.Close()
					if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, s.content) {
						t.Errorf("of %d bytes: read %d, %v", all, len(got), err)
					}
				})
			}
			readers.Wait()
			for i, p := range still {
				if i%2 == 0 { // those that go on come to their end too
					if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, s.content) {
						t.Errorf("of %d bytes: read %d, %v after a rest", all, len(got), err)
					}
				}
				p.Close()
				p.Close()
			}
			if used, open := o.Budget.used(all), s.opened.Load(); used != 0 || open != 0 {
				t.Errorf("after all %d bytes are taken and %d bodies open", used, open)
			}
		})
	}
}

// TestBudgetHang: a reader without memory whose request hangs ends with its
// context.
func TestBudgetHang(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	hang := func(ctx context.Context, _, _ int64) (io.ReadCloser, error) {
		defer close(begun)
		return hanging{ctx, make(chan struct{})}, nil
	}
	p := NewPieces(ctx, 1000, 0, hang, PiecesOptions{Budget: NewBudget(1)})
	go func() {
		<-begun
		cancel()
	}()
	if n, err := p.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	p.Close()
}
