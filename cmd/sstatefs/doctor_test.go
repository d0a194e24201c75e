package main

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// Whatever a remote lacks is a line with its mend.
func TestDoctorMendsWhatARemoteLacks(t *testing.T) {
	denied := &remote.Error{Op: "test", Kind: remote.ErrPermission}
	for _, test := range []struct {
		fails string // the operation
		err   error
		check string // that is not ok
		mend  string // a part of it
		code  int
	}{
		{"", nil, "", "", exitDone},
		{"probe", denied, "reachable", "check the user", exitFailed},
		{"probe", &remote.Error{Op: "test", Kind: remote.ErrUnavailable}, "reachable", "check the address", exitUnreachable},
		{"list", denied, "list", "s3:ListBucket", exitFailed},
		{"get", denied, "read", "s3:GetObject", exitFailed},
		{"put", denied, "write", "mount --read-only", exitFailed},
		{"delete", denied, "delete", "s3:DeleteObject", exitFailed},
	} {
		m := remotetest.NewMemory()
		m.Set("ab/cd/sstate:x", []byte("x"))
		if test.fails != "" {
			m.Fail(test.fails, test.err)
		}
		d := &diagnosis{Remote: &remoteDiagnosis{}}
		d.examine(t.Context(), m, false)
		d.Findings = slices.DeleteFunc(d.Findings, func(f finding) bool { return f.Verdict == verdictOK })
		if got := exitCode(d.failure()); got != test.code {
			t.Errorf("%s fails: code %d, want %d", test.fails, got, test.code)
		}
		if test.check == "" {
			if len(d.Findings) > 0 {
				t.Errorf("a good remote: %+v", d.Findings)
			}
			continue
		}
		if len(d.Findings) != 1 || d.Findings[0].Check != test.check || !strings.Contains(d.Findings[0].Mend, test.mend) {
			t.Errorf("%s fails: %+v, want %s with %q", test.fails, d.Findings, test.check, test.mend)
		}
	}
}

// A clock that is hours off is told once, whoever found it out.
func TestDoctorTellsTheClockOnce(t *testing.T) {
	m := remotetest.NewMemory()
	m.SetClock(func() time.Time { return time.Now().Add(-3 * time.Hour) })
	d := &diagnosis{Remote: &remoteDiagnosis{}}
	d.examine(t.Context(), m, false)
	n := 0
	for _, f := range d.Findings {
		if f.Check != "clock" {
			continue
		}
		n++
		if f.Verdict != verdictWarn || !strings.Contains(f.Text, "behind ours") || f.Mend == "" {
			t.Errorf("clock: %+v, want a warning with its mend", f)
		}
	}
	if n != 1 {
		t.Errorf("%d lines about the clock, want 1: %+v", n, d.Findings)
	}
}

// What a file system cannot do is said without the long names of the try, and a
// full disk is no matter of its kind.
func TestDoctorMendsTheCache(t *testing.T) {
	for _, test := range []struct {
		err        error
		text, mend string
	}{
		{&os.LinkError{Op: "link", Old: "aaaa", New: "b", Err: syscall.EPERM}, "no links: operation not permitted", elsewhere},
		{&os.PathError{Op: "open", Path: "aaaa", Err: syscall.ENOSPC}, "the disk is full", moreRoom},
		{&os.PathError{Op: "open", Path: "aaaa", Err: syscall.EDQUOT}, "the disk is full", moreRoom},
	} {
		d := &diagnosis{}
		d.lacks("hard-links", "no links", test.err)
		if f := d.Findings[0]; f.Text != test.text || f.Mend != test.mend || f.Verdict != verdictFail {
			t.Errorf("lacks(%v) = %+v, want %q, %q", test.err, f, test.text, test.mend)
		}
	}
}
