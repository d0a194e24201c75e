package upkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
	"sstatefs/sstate/siginfo"
)

// VerifyOptions says what to check and what becomes of what is broken.
type VerifyOptions struct {
	Filter         Filter
	SignaturesOnly bool // archives are not read
	Repair         bool // what is broken is deleted
	Jobs           int  // objects read at a time
}

// Fault says what is wrong with an object. The words are stable: they are in
// JSON.
type Fault string

// The faults.
const (
	FaultEmpty     Fault = "empty"        // no bytes: an empty archive fails builds
	FaultTruncated Fault = "truncated"    // it ends too early
	FaultCorrupt   Fault = "corrupt"      // it does not decode
	FaultHash      Fault = "hash"         // a signature whose basehash or taskhash does not recompute
	FaultNoSig     Fault = "no-signature" // an archive without siginfo
	FaultNoArchive Fault = "no-archive"   // a .sig without its archive
	FaultLeftover  Fault = "leftover"     // a temporary of a writer that was killed
)

// Finding is one object with a fault. The JSON keys are stable.
type Finding struct {
	Key      remote.Key `json:"key"`
	Fault    Fault      `json:"fault"`
	Detail   string     `json:"detail,omitempty"`
	Bytes    int64      `json:"bytes"`
	Modified time.Time  `json:"modified"`
	Deleted  bool       `json:"deleted"`        // by --repair
	Kept     string     `json:"kept,omitempty"` // why --repair did not delete it
}

// VerifyResult sums up. The JSON keys are stable.
type VerifyResult struct {
	Archives   int64 `json:"archives"`   // read to their end
	Signatures int64 `json:"signatures"` // siginfo files read
	Bytes      int64 `json:"bytes"`      // of both

	Lone  int64 `json:"lone_signatures"` // siginfo without archive: of tasks that have none, or cleaned
	Young int64 `json:"young_leftovers"` // temporaries that may be under way, younger than a day

	Faults    map[Fault]int64 `json:"faults"`
	Deleted   int64           `json:"deleted"`
	Remaining int64           `json:"remaining"` // findings that were not deleted

	Unchecked        int64       `json:"unchecked"`               // objects that could not be read or asked for
	UncheckedWhy     string      `json:"unchecked_why,omitempty"` // of the first
	UncheckedObjects []Unchecked `json:"unchecked_objects"`       // the first of them
}

// Unchecked is an object that could not be checked. The JSON keys are stable.
type Unchecked struct {
	Key   remote.Key `json:"key"`
	Error string     `json:"error"`
}

// Verify reads all objects to their end and calls fn for each that has a fault.
// What is broken counts only when a second reading says the same. Its memory
// is that of twenty thousand names or a 256th of the listing, whatever is more,
// and of the archives being decoded.
//
// With Repair, what is broken is deleted: an archive with its .sig, a
// signature, a .sig without archive, temporaries older than a day. Nothing is
// deleted that could not be read, or whose size or time moved meanwhile.
// Signatures whose hashes do not recompute stay when they are so many that
// their maker must have had other rules.
func Verify(ctx context.Context, t *Target, o VerifyOptions, report Report, fn func(Finding) error) (VerifyResult, error) {
	o.Jobs = max(1, o.Jobs)
	v := &verifier{t: t, o: o, report: report, fn: fn}
	v.result.Faults, v.result.UncheckedObjects = map[Fault]int64{}, []Unchecked{}
	report(Progress{Stage: "listing"})
	err := eachPart(ctx, t, o.Filter, func(p part) error { return v.part(ctx, p) })
	if err == nil {
		err = v.settleHashes(ctx)
	}
	if err == nil {
		err = v.leftovers(ctx)
	}
	return v.result, err
}

type verifier struct {
	t      *Target
	o      VerifyOptions
	report Report
	fn     func(Finding) error
	result VerifyResult

	temps  []remote.Info // of anybody, all of them if whole
	whole  bool
	hashes []Finding // signatures whose hashes do not recompute
}

// checked is what became of one object.
type checked struct {
	entry
	read    bool
	finding *Finding
	err     error // why it could not be checked
}

// part checks the objects of one folder.
func (v *verifier) part(ctx context.Context, p part) error {
	v.temps, v.whole = p.temps, p.whole
	err := inOrder(ctx, v.o.Jobs, p.objects, v.check, func(c checked) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return v.count(c)
	})
	if err != nil {
		return err
	}
	return v.orphans(ctx, p.objects)
}

// count notes what became of one object.
func (v *verifier) count(c checked) error {
	switch {
	case c.err != nil:
		v.unchecked(c.Key, c.err)
	case c.read:
		v.result.Bytes += c.Size
		if c.name.IsArchive() {
			v.result.Archives++
		} else {
			v.result.Signatures++
		}
	}
	v.report(Progress{Stage: "checking", Done: v.result.Archives + v.result.Signatures, DoneBytes: v.result.Bytes})
	switch {
	case c.finding == nil:
		return nil
	case c.finding.Fault == FaultHash:
		v.hashes = append(v.hashes, *c.finding)
		return nil
	}
	return v.found(*c.finding)
}

// found counts a finding and tells it.
func (v *verifier) found(f Finding) error {
	v.result.Faults[f.Fault]++
	if f.Deleted {
		v.result.Deleted++
	} else {
		v.result.Remaining++
	}
	return v.fn(f)
}

// check reads one object, and what is wrong a second time.
func (v *verifier) check(ctx context.Context, e entry) checked {
	c := checked{entry: e}
	if e.name.Side == sstate.SideSig && e.Size > 0 || e.name.IsArchive() && v.o.SignaturesOnly {
		return c
	}
	fault, _, err := v.verdict(ctx, e)
	if err == nil && fault != "" {
		c.finding, err = v.confirm(ctx, e)
	}
	switch {
	case errors.Is(err, remote.ErrNotExist):
		c.finding = nil // somebody cleans
	case err != nil:
		c.err = err
	default:
		c.read = true
	}
	return c
}

// confirm reads an object a second time: the first may have been the
// connection's fault. What is broken indeed goes, if it is to be repaired.
func (v *verifier) confirm(ctx context.Context, e entry) (*Finding, error) {
	before, err := v.t.Stat(ctx, e.Key)
	if err != nil {
		return nil, err
	}
	fault, detail, err := v.verdict(ctx, e)
	if err != nil {
		return nil, err
	}
	if fault == "" {
		return nil, errUnsteady
	}
	f := &Finding{Key: e.Key, Fault: fault, Detail: detail, Bytes: before.Size, Modified: before.ModTime.UTC()}
	if fault != FaultHash {
		v.repair(ctx, f)
	}
	return f, nil
}

// errUnsteady is an object that is broken and then is not.
var errUnsteady = errors.New("broken when read first, whole when read again")

// verdict tells what is wrong with the content of an object, empty if nothing.
// The error is that of reading: a body shorter than the remote said it was is
// the fault of what lies between as often as not.
func (v *verifier) verdict(ctx context.Context, e entry) (fault Fault, detail string, err error) {
	body, info, err := v.t.Get(ctx, e.Key, 0)
	if err != nil {
		return "", "", err
	}
	defer body.Close()
	if info.Size == 0 {
		return FaultEmpty, "no bytes", nil
	}
	content := &received{body: body, left: info.Size}
	if e.name.Side == sstate.SideSiginfo {
		fault, detail, err = signatureFault(content)
	} else {
		fault, detail, err = archiveFault(content, e.name)
	}
	if err == nil && fault == "" && content.mismatch {
		return FaultCorrupt, "its bytes do not fit the checksum that the remote keeps", nil
	}
	return fault, detail, err
}

// received is a body that has come in whole when all its bytes have, whether
// they fit the checksum that the remote keeps or not: what they decode to says
// more about what is wrong with them.
type received struct {
	body     io.Reader
	left     int64 // bytes
	mismatch bool
}

func (r *received) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.left -= int64(n)
	if r.left == 0 && errors.Is(err, remote.ErrCorrupt) {
		r.mismatch, err = true, io.EOF
	}
	return n, err
}

// signatureFault tells what is wrong with a siginfo.
func signatureFault(content io.Reader) (Fault, string, error) {
	sig, err := siginfo.Read(content)
	switch {
	case errors.Is(err, siginfo.ErrBroken):
		return FaultCorrupt, err.Error(), nil
	case err != nil:
		return "", "", err
	}
	if detail := hashFault(sig); detail != "" {
		return FaultHash, detail, nil
	}
	return "", "", nil
}

// archiveFault tells what is wrong with an archive.
func archiveFault(content io.Reader, name sstate.Name) (Fault, string, error) {
	err := sstate.Check(content, name)
	for _, f := range []struct {
		is    error
		fault Fault
	}{{sstate.ErrEmpty, FaultEmpty}, {sstate.ErrTruncated, FaultTruncated}, {sstate.ErrCorrupt, FaultCorrupt}} {
		if errors.Is(err, f.is) {
			return f.fault, strings.TrimPrefix(err.Error(), f.is.Error()+": "), nil
		}
	}
	return "", "", err
}

// hashFault tells which hash of a signature does not follow from its content.
// One that lacks what enters a hash cannot be checked: files of old versions,
// and those of a stamps folder.
func hashFault(s *siginfo.Signature) string {
	base, err := s.ComputeBaseHash()
	if err == nil && s.BaseHash != "" && base != s.BaseHash {
		return fmt.Sprintf("basehash is %.8s, computed %.8s", s.BaseHash, base)
	}
	task, err := s.ComputeTaskHash()
	if err == nil && s.TaskHash != "" && task != s.TaskHash {
		return fmt.Sprintf("taskhash is %.8s, computed %.8s", s.TaskHash, task)
	}
	return ""
}

// unchecked counts an object that could not be checked.
func (v *verifier) unchecked(key remote.Key, err error) {
	v.result.Unchecked++
	v.result.UncheckedWhy = cmp.Or(v.result.UncheckedWhy, fmt.Sprintf("%s: %v", key, err))
	if len(v.result.UncheckedObjects) < shownErrors {
		v.result.UncheckedObjects = append(v.result.UncheckedObjects, Unchecked{key, err.Error()})
	}
}
