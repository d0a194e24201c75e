package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// Many readers read what has come of one download, wherever they are.
func TestStream(t *testing.T) {
	r := newStreamRig(t, true, nil)
	r.river.let(1 << 20)
	first, second := r.opened(), r.opened()
	if first.IsWhole() || first.File == nil {
		t.Fatalf("Open = %+v of an object that has not come", first)
	}
	if e, err := r.StatOpen(t.Context(), first); err != nil || e.Size != int64(len(r.content)) || e.Mode&0o777 != 0o664 {
		t.Errorf("StatOpen = %+v, %v", e, err)
	}
	for o, at := range map[*Object]int64{first: 0, second: 512 << 10} {
		got, err := read(o, at, 1000).result(t)
		if err != nil || !bytes.Equal(got, r.content[at:at+1000]) {
			t.Errorf("read at %d of what has come = %d bytes, %v", at, len(got), err)
		}
	}
	ahead, end := read(first, 2<<20, 1000), read(second, int64(len(r.content))-10, 20)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- second.Await(ctx, 2<<20, 1) }()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("a reader who went = %v", err)
	}
	if !ahead.waits() || !end.waits() {
		t.Error("there is more to read than has come")
	}
	r.river.let(open)
	if got, err := ahead.result(t); err != nil || !bytes.Equal(got, r.content[2<<20:2<<20+1000]) {
		t.Errorf("read ahead = %d bytes, %v", len(got), err)
	}
	if got, err := end.result(t); err != io.EOF || !bytes.Equal(got, r.content[len(r.content)-10:]) {
		t.Errorf("read of the end = %d bytes, %v", len(got), err)
	}
	r.isKept(first)
	if n := r.mem.Calls("get"); n != 1 {
		t.Errorf("%d requests for one object", n)
	}
}

// isKept checks that the stream is in the cache, as the file that is open.
func (r *streamRig) isKept(o *Object) {
	r.t.Helper()
	if !o.IsWhole() {
		r.t.Error("not whole after a read of the end")
	}
	later := r.opened()
	here, err := r.StatOpen(r.t.Context(), later)
	was, e := r.StatOpen(r.t.Context(), o)
	if err != nil || e != nil || !later.IsWhole() || here.ID != was.ID || here.ID == (FileID{}) {
		r.t.Errorf("opened later: %+v, %v; before: %+v, %v", here, err, was, e)
	}
	if got, err := readObject(later); err != nil || !bytes.Equal(got, r.content) {
		r.t.Errorf("read later: %d bytes, %v", len(got), err)
	}
}

// isLost checks that nothing is left of a stream but errors.
func (r *streamRig) isLost(o *Object) {
	r.t.Helper()
	for _, at := range []int64{0, 1 << 20, int64(len(r.content)) - 1, int64(len(r.content))} {
		if got, err := read(o, at, 1).result(r.t); !errors.Is(err, syscall.EIO) {
			r.t.Errorf("read at %d of what is lost = %d bytes, %v, want %v", at, len(got), err, syscall.EIO)
		}
	}
	if !remotetest.Eventually(func() bool {
		left, err := os.ReadDir(r.layout.path("fetch"))
		return err == nil && len(left) == 0
	}) {
		r.t.Error("fetch/ is not empty")
	}
	if localID(r.layout.object(r.key)) != (FileID{}) {
		r.t.Error("it is kept")
	}
}

// The end of an object is not given before all of it is known to be right, and
// never if it is not.
func TestStreamWithholdsItsEnd(t *testing.T) {
	for _, vouches := range []bool{true, false} {
		for _, right := range []bool{true, false} {
			t.Run(fmt.Sprintf("checksum %v, right %v", vouches, right), func(t *testing.T) {
				t.Parallel()
				r := newStreamRig(t, vouches, nil)
				size := int64(len(r.content))
				bad := spoiling{wrong: size - 1, end: -1} // in a checksum
				if !right {
					r.river.spoil(bad, bad)
				}
				r.river.let(size) // all of it, but not its end
				o := r.opened()
				var broken atomic.Int64
				o.WhenBroken(func() { broken.Add(1) })
				body, err := read(o, 0, 2<<20).result(t)
				if err != nil || !bytes.Equal(body, r.content[:2<<20]) {
					t.Fatalf("read of the beginning = %d bytes, %v", len(body), err)
				}
				end, one := read(o, size-withheld, withheld), read(o, size-withheld, 1)
				if !end.waits() || !one.waits() {
					t.Error("the end is given before it is known to be right")
				}
				r.river.let(open)
				got, err := end.result(t)
				if right {
					if err != nil || !bytes.Equal(got, r.content[size-withheld:]) {
						t.Errorf("read of the end = %d bytes, %v", len(got), err)
					}
					r.isKept(o)
					return
				}
				if !errors.Is(err, syscall.EIO) {
					t.Errorf("read of the end = %d bytes, %v, want %v", len(got), err, syscall.EIO)
				}
				r.isLost(o)
				if !remotetest.Eventually(func() bool { _, err := r.Lookup(t.Context(), r.key); return errors.Is(err, os.ErrNotExist) }) {
					t.Error("what is wrong twice is no miss")
				}
				if n := broken.Load(); n != 1 {
					t.Errorf("told %d times that it is broken", n)
				}
			})
		}
	}
}

// What has come does not count at the end of an object until the verdict.
func TestStreamKnowsItsEnd(t *testing.T) {
	const size = 1 << 20
	for name, verdict := range map[string]error{"right": nil, "wrong": remote.ErrCorrupt} {
		t.Run(name, func(t *testing.T) {
			file, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			st := &stream{info: remote.Info{Size: size}, last: withheld, file: file}
			st.grow(size)
			if moved, err := st.look(size - withheld); moved != nil || err != nil {
				t.Errorf("look at what comes before the end = %v, %v", moved, err)
			}
			moved, _ := st.look(size - withheld + 1)
			if moved == nil {
				t.Fatal("the end is given before it is known to be right")
			}
			st.end(verdict)
			<-moved
			for _, to := range []int64{1, size} {
				if moved, err := st.look(to); moved != nil || (err == nil) != (verdict == nil) {
					t.Errorf("look at %d after %v = %v, %v", to, verdict, moved, err)
				}
			}
		})
	}
}

// Whatever is wrong with a body, no reader gets to its end.
func TestStreamOfWrongBytes(t *testing.T) {
	const size = streamed // the object is a little longer
	lost := &remote.Error{Op: "river: get", Kind: remote.ErrUnavailable, Err: io.ErrUnexpectedEOF}
	for name, bad := range map[string]spoiling{
		"at the beginning": {wrong: 10_000, end: -1},
		"in the middle":    {wrong: size / 2, end: -1},
		"at the end":       {wrong: size - 1, end: -1},
		"cut short":        {wrong: -1, end: size / 2, err: io.EOF},
		"broken off":       {wrong: -1, end: size / 2, err: lost},
		"broken off early": {wrong: -1, end: 10, err: lost},
		"deleted":          {wrong: -1, end: size / 2, err: &remote.Error{Kind: remote.ErrNotExist, Err: io.EOF}},
	} {
		for _, vouches := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, checksum %v", name, vouches), func(t *testing.T) {
				t.Parallel()
				r := newStreamRig(t, vouches, nil)
				r.river.spoil(bad, bad)
				o, err := r.Open(t.Context(), r.key)
				if err != nil {
					return // it was known at once
				}
				defer o.Close()
				got, err := readObject(o)
				if err == nil || len(got) == len(r.content) {
					t.Errorf("read = %d of %d bytes, %v", len(got), len(r.content), err)
				}
				r.isLost(o)
			})
		}
	}
}

// A stream that stands still ends for its readers when the guard has enough of
// it, and the next open begins anew.
func TestStreamStalls(t *testing.T) {
	r := newStreamRig(t, true, func(o *Options) { o.Guard.StallTimeout = 300 * time.Millisecond })
	r.river.let(1 << 20)
	o := r.opened()
	if _, err := read(o, 0, 1<<19).result(t); err != nil {
		t.Fatal(err)
	}
	if _, err := read(o, 2<<20, 1).result(t); !errors.Is(err, syscall.EIO) {
		t.Errorf("read of what never comes = %v, want %v", err, syscall.EIO)
	}
	r.isLost(o)
	r.river.let(open)
	if !remotetest.Eventually(func() bool { return !r.guard.State().Open }) {
		t.Fatal("the remote is not well again")
	}
	if got, err := r.read(r.key); err != nil || got != string(r.content) {
		t.Errorf("read anew = %d bytes, %v", len(got), err)
	}
}

// Two contents are never mixed: who has read something of the first learns that
// it is replaced, who has not gets the second.
func TestStreamReplaced(t *testing.T) {
	replaced := &remote.Error{Op: "river: get", Kind: remote.ErrCorrupt, Err: errors.New("replaced while it was read")}
	for _, begun := range []bool{true, false} {
		t.Run(fmt.Sprintf("read from %v", begun), func(t *testing.T) {
			r := newStreamRig(t, true, nil)
			r.river.spoil(spoiling{wrong: -1, end: 1 << 20, err: replaced})
			r.river.let(1 << 20)
			o := r.opened()
			if begun {
				if _, err := read(o, 0, 10).result(t); err != nil {
					t.Fatal(err)
				}
			}
			end := read(o, int64(len(r.content))-10, 10)
			r.content = r.put(2)
			r.river.let(open)
			got, err := end.result(t)
			if begun {
				if !errors.Is(err, syscall.EIO) {
					t.Errorf("read on = %d bytes, %v, want %v", len(got), err, syscall.EIO)
				}
			} else if all, e := readObject(o); err != nil || e != nil || !bytes.Equal(all, r.content) {
				t.Errorf("read = %v, %d bytes, %v, want the new content", err, len(all), e)
			}
			if got, err := r.read(r.key); err != nil || got != string(r.content) {
				t.Errorf("read later = %d bytes, %v, want the new content", len(got), err)
			}
		})
	}
}

// A content of another size is another object to who has this one open.
func TestStreamResized(t *testing.T) {
	r := newStreamRig(t, true, nil)
	replaced := &remote.Error{Op: "river: get", Kind: remote.ErrCorrupt, Err: errors.New("replaced while it was read")}
	r.river.spoil(spoiling{wrong: -1, end: 1 << 20, err: replaced})
	r.river.let(1 << 20)
	o := r.opened()
	end := read(o, int64(len(r.content))-10, 10)
	r.content = append(r.put(2), packed(t, "and more")...)
	r.mem.Set(remote.Key(r.key), r.content)
	r.river.let(open)
	if got, err := end.result(t); !errors.Is(err, syscall.EIO) {
		t.Errorf("read on = %d bytes, %v, want %v", len(got), err, syscall.EIO)
	}
	if !remotetest.Eventually(func() bool { got, err := r.read(r.key); return err == nil && got == string(r.content) }) {
		t.Error("the new content cannot be read")
	}
}

// Who reads a stream has a hand on its file, and cannot change what comes: all is
// verified on its way into the file.
func TestStreamIsSealed(t *testing.T) {
	r := newStreamRig(t, true, nil)
	r.river.let(1 << 20)
	o := r.opened()
	if _, err := read(o, 0, 10).result(t); err != nil {
		t.Fatal(err)
	}
	if _, err := r.SetAttr(t.Context(), "", o.File, Attr{Size: new(int64)}); !errors.Is(err, syscall.EPERM) {
		t.Errorf("truncate = %v, want %v", err, syscall.EPERM)
	}
	if f, err := r.Reopen(o.File, os.O_RDWR); !errors.Is(err, syscall.EPERM) {
		f.Close()
		t.Errorf("open for writing = %v, want %v", err, syscall.EPERM)
	}
	r.river.let(open)
	if got, err := readObject(o); err != nil || !bytes.Equal(got, r.content) {
		t.Errorf("read = %d bytes, %v", len(got), err)
	}
	r.isKept(o)
	if n := r.queue.hiddenNames(localID(r.layout.object(r.key)).Ino); n != 0 {
		t.Errorf("%d names are taken for hidden when it is here", n)
	}
}

// TestBrokenStreamOvertaken: a download that broke, and is not repeated because the
// object was published here meanwhile, is right for nobody.
func TestBrokenStreamOvertaken(t *testing.T) {
	r := newStreamRig(t, true, nil)
	r.river.spoil(spoiling{wrong: 100, end: -1})
	r.river.let(1 << 20)
	o := r.opened()
	end := read(o, int64(len(r.content))-10, 10)
	tmp := r.scratchFile(r.key, string(packed(t, "published here")))
	if err := r.Rename(t.Context(), tmp, r.key, 0); err != nil {
		t.Fatal(err)
	}
	r.river.let(open)
	if got, err := end.result(t); !errors.Is(err, syscall.EIO) {
		t.Errorf("read of the end = %d bytes, %v, want %v", len(got), err, syscall.EIO)
	}
	if o.IsWhole() {
		t.Error("the broken download is taken for whole")
	}
	r.wantContent(r.key, string(packed(t, "published here")))
}

// TestBrokenStreamIsAMiss: who is told that an object is broken finds it gone when
// he looks, and his publish replaces it.
func TestBrokenStreamIsAMiss(t *testing.T) {
	for i := range 8 {
		r := newStreamRig(t, true, nil)
		r.river.spoil(spoiling{wrong: streamed - 1, end: -1}, spoiling{wrong: streamed - 1, end: -1})
		r.river.let(1 << 20)
		o := r.opened()
		if _, err := read(o, 0, 10).result(t); err != nil {
			t.Fatal(err)
		}
		end := read(o, int64(len(r.content))-10, 10)
		r.river.let(open)
		if _, err := end.result(t); !errors.Is(err, syscall.EIO) {
			t.Fatalf("read of the end = %v, want %v", err, syscall.EIO)
		}
		if e, err := r.lookupObject(t.Context(), r.key); !errors.Is(err, syscall.ENOENT) {
			t.Fatalf("try %d: lookup = %+v, %v, want %v", i, e, err, syscall.ENOENT)
		}
	}
}
