package remotetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"sstatefs/remote"
)

// testGet: every offset gives the rest of the object.
func testGet(s *suite) {
	key, content := Key(1), Pattern(300_001, 5)
	s.create(key, content)
	size := int64(len(content))
	for _, offset := range []int64{0, 1, size / 2, size - 1, size} {
		body, info, err := s.r.Get(s.ctx, key, offset)
		if err != nil {
			s.Errorf("Get from %d = %v", offset, err)
			continue
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, content[offset:]) || info.Size != size {
			s.Errorf("Get from %d = %d bytes, size %d, %v, want %d bytes, size %d",
				offset, len(got), info.Size, err, size-offset, size)
		}
		if err := body.Close(); err != nil {
			s.Errorf("Close = %v", err)
		}
	}
	if _, _, err := s.r.Get(s.ctx, key, size+1); !errors.Is(err, remote.ErrCorrupt) {
		s.Errorf("Get from beyond the end = %v, want %v", err, remote.ErrCorrupt)
	}
	if _, _, err := s.r.Get(s.ctx, Key(2), 0); !errors.Is(err, remote.ErrNotExist) {
		s.Errorf("Get of a missing object = %v, want %v", err, remote.ErrNotExist)
	}
}

// testEmpty: no content is content.
func testEmpty(s *suite) {
	s.create(Key(1), nil)
	s.wantContent(Key(1), nil)
	if info, ok := s.list("")[Key(1)]; !ok && !s.r.Traits().NoList || info.Size != 0 {
		s.Errorf("List shows %+v, %t, want an empty object", info, ok)
	}
}

// testLarge: 20 MB arrive as they were sent, also in two pieces.
func testLarge(s *suite) {
	content := Pattern(20_000_000, 6)
	s.create(Key(1), content)
	s.wantContent(Key(1), content)
	body, _, err := s.r.Get(s.ctx, Key(1), 11_111_111)
	if err != nil {
		s.Fatalf("Get = %v", err)
	}
	defer body.Close()
	if rest, err := io.ReadAll(body); err != nil || !bytes.Equal(rest, content[11_111_111:]) {
		s.Errorf("second part = %d bytes, %v", len(rest), err)
	}
	s.wantNoLeftovers()
}

// oddKeys are valid names that a URL, a shell or an XML document has to write
// in another way.
func oddKeys() []remote.Key {
	hash := strings.Repeat("ab", 32)
	name := func(pn, pv string) string {
		return "sstate:" + pn + ":all-oe-linux:" + pv + ":r0:all:14:" + hash + "_package_qa.tar.zst"
	}
	long := name("x", "1")
	long = "sstate:" + strings.Repeat("x", 255-len(long)) + strings.TrimPrefix(long, "sstate:")
	keys := []remote.Key{
		"sstate:at-the-root",
		"universal/ab/cd/" + remote.Key(name("native", "1")),
		"debian-12/ab/cd/" + remote.Key(name("native", "1")),
		"a b/c+d/e%41f/" + remote.Key(name("folders", "1")),
		"ab/cd/" + remote.Key(long),
		"ab/cd/sstate:bash::5.2.21:r0::14:" + remote.Key(hash) + "_populate_lic.tar.zst.siginfo",
	}
	for _, odd := range []string{
		"+", "~", "%41", "A", "%2F", "%", "#", "?", "&", "=", ";", ",", " ", "  ", "'", `"`, "<", ">", "@", "!", "$", "(", "[", "{", "*", "^", "`", "|",
	} {
		keys = append(keys, "ab/cd/"+remote.Key(name("odd"+odd+"name", "1"+odd+"2")))
	}
	return keys
}

// testOddNames: every name is itself and no other.
func testOddNames(s *suite) {
	keys := oddKeys()
	for _, key := range keys {
		s.create(key, []byte(key))
	}
	listed := s.list("")
	for _, key := range keys {
		s.wantContent(key, []byte(key))
		if _, ok := listed[key]; !ok && !s.r.Traits().NoList {
			s.Errorf("List does not show %q", key)
		}
		s.changeOdd(key)
	}
	if len(listed) != len(keys) && !s.r.Traits().NoList {
		s.Errorf("List shows %d objects, want %d", len(listed), len(keys))
	}
	for _, key := range keys {
		if err := s.r.Delete(s.ctx, key); err != nil {
			s.Errorf("Delete(%q) = %v", key, err)
		}
		s.wantAbsent(key)
	}
}

// serverNames is the length of names, in bytes, up to which a server must be
// able to change an object. versitygw 1.8 does so by way of a name that is 28
// bytes longer.
const serverNames = 255 - 28

// changeOdd replaces and touches an object. With a very long name that may be
// more than a server can, and then changes nothing.
func (s *suite) changeOdd(key remote.Key) {
	s.Helper()
	_, base := key.Split()
	want := []byte("new " + key)
	err := s.r.Put(s.ctx, key, Bytes(want), remote.PutOptions{})
	if len(base) > serverNames && errors.Is(err, remote.ErrUnsupported) {
		s.wantContent(key, []byte(key))
		return
	}
	if err != nil {
		s.Errorf("Put(%q) = %v", key, err)
	}
	if err := s.touch(key, want, s.Now().Add(1e12)); err != nil {
		s.Errorf("Touch(%q) = %v", key, err)
	}
	s.wantContent(key, want)
}

// testInvalidKeys: what is no path below the root is refused.
func testInvalidKeys(s *suite) {
	for _, key := range []remote.Key{
		"", "/", "/sstate:abs", "..", "../sstate:up", "ab/../../sstate:up", "ab/./sstate:dot", "ab//sstate:empty", "ab/", "ab/sstate:\x00",
	} {
		_, statErr := s.r.Stat(s.ctx, key)
		_, _, getErr := s.r.Get(s.ctx, key, 0)
		for op, err := range map[string]error{
			"Stat": statErr, "Get": getErr,
			"Put":    s.r.Put(s.ctx, key, Bytes("x"), remote.PutOptions{}),
			"Touch":  s.r.Touch(s.ctx, key, s.Now()),
			"Delete": s.r.Delete(s.ctx, key),
		} {
			if !errors.Is(err, remote.ErrUnsupported) {
				s.Errorf("%s(%q) = %v, want %v", op, key, err, remote.ErrUnsupported)
			}
		}
	}
}

// testCancelled: a context that has ended is all that matters.
func testCancelled(s *suite) {
	s.create(Key(1), []byte("x"))
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, statErr := s.r.Stat(ctx, Key(1))
	_, _, getErr := s.r.Get(ctx, Key(1), 0)
	for op, err := range map[string]error{
		"Stat": statErr, "Get": getErr,
		"Put":    s.r.Put(ctx, Key(2), Bytes("x"), remote.PutOptions{}),
		"Touch":  s.r.Touch(ctx, Key(1), s.Now()),
		"Delete": s.r.Delete(ctx, Key(1)),
		"List":   s.r.List(ctx, "", func(remote.Info) error { return nil }),
	} {
		if op == "List" && s.r.Traits().NoList {
			continue
		}
		if !errors.Is(err, context.Canceled) || errors.Is(err, remote.ErrUnavailable) {
			s.Errorf("%s = %v, want %v and no fault of the remote", op, err, context.Canceled)
		}
	}
	s.wantContent(Key(1), []byte("x"))
	s.wantAbsent(Key(2))
}

// testCancelBody: a body ends with the context of its Get.
func testCancelBody(s *suite) {
	content := Pattern(8<<20, 7)
	s.create(Key(1), content)
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	body, _, err := s.r.Get(ctx, Key(1), 0)
	if err != nil {
		s.Fatalf("Get = %v", err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
		s.Fatalf("Read = %v", err)
	}
	cancel()
	if n, err := io.Copy(io.Discard, body); !errors.Is(err, context.Canceled) {
		s.Errorf("reading on after cancel = %d bytes, %v, want %v", n, err, context.Canceled)
	}
}
