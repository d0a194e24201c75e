package ctl

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"sstatefs/remote"
)

// Names of what is looked after a remote with, below /v1/remote/.
const (
	verbFacts     = "facts"
	verbProbe     = "probe"
	verbExplore   = "explore"
	verbStat      = "stat"
	verbTouch     = "touch"
	verbDelete    = "delete"
	verbPut       = "put"
	verbGet       = "get"
	verbList      = "list"
	verbFolders   = "folders"
	verbNames     = "names"
	verbLeftovers = "leftovers"
	verbUploads   = "uploads"
	verbSweep     = "sweep"
	verbAbort     = "abort"
)

// deleteBatch is how many keys one request deletes at most: as many as one
// request of S3 does.
const deleteBatch = 1000

// deleteLimit bounds the body of such a request, bytes: keys of 4096 bytes of
// which each is escaped.
const deleteLimit = deleteBatch * 3 * 4097

// remoteFacts is what a remote says of itself without being asked.
type remoteFacts struct {
	Name      string           `json:"name"`
	Traits    remote.Traits    `json:"traits"`
	Abilities []remote.Ability `json:"abilities,omitempty"`
	Offset    *time.Duration   `json:"clock_offset_ns,omitempty"` // its clock minus ours, nil if unknown
}

func factsOf(r remote.Remote) remoteFacts {
	facts := remoteFacts{Name: r.String(), Traits: r.Traits()}
	if d, ok := r.(remote.Describer); ok {
		facts.Abilities = d.Abilities()
	}
	if clock, ok := r.(remote.Clock); ok {
		if offset, known := clock.Offset(); known {
			facts.Offset = &offset
		}
	}
	return facts
}

// remoteFailure is an error of a remote on its way. An error that stands for
// several, as Delete gives, is sent as all of them.
type remoteFailure struct {
	Op      string `json:"op,omitempty"`
	Key     string `json:"key,omitempty"`  // escaped
	Kind    string `json:"kind,omitempty"` // empty for none of the six
	Message string `json:"message,omitempty"`
}

// kindWords are the six kinds on their way.
func kindWords() map[string]error {
	return map[string]error{
		"not_exist": remote.ErrNotExist, "exist": remote.ErrExist, "permission": remote.ErrPermission,
		"unavailable": remote.ErrUnavailable, "corrupt": remote.ErrCorrupt, "unsupported": remote.ErrUnsupported,
	}
}

func kindWord(err error) string {
	for word, kind := range kindWords() {
		if errors.Is(err, kind) {
			return word
		}
	}
	return ""
}

// failuresOf takes an error apart for the way.
func failuresOf(err error) []remoteFailure {
	if e, ok := err.(*remote.Error); ok {
		f := remoteFailure{Op: e.Op, Key: escaped(e.Key), Kind: kindWord(e.Kind)}
		if e.Err != nil {
			f.Message = e.Err.Error()
		}
		return []remoteFailure{f}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []remoteFailure
		for _, e := range joined.Unwrap() {
			all = append(all, failuresOf(e)...)
		}
		return all
	}
	return []remoteFailure{{Op: "mount", Kind: kindWord(err), Message: err.Error()}}
}

// restored puts together again what failuresOf took apart.
func restored(failures []remoteFailure) error {
	words := kindWords()
	all := make([]error, 0, len(failures))
	for _, f := range failures {
		key, err := unescaped(f.Key)
		if err != nil {
			key = remote.Key(f.Key)
		}
		e := &remote.Error{Op: f.Op, Key: key, Kind: words[f.Kind]}
		if f.Message != "" || e.Kind == nil {
			e.Err = errors.New(f.Message)
		}
		all = append(all, e)
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// appendWord writes a name as one word of a line: blanks and what is no text
// are escaped as in a URL, and nothing else, since most names have neither.
func appendWord[T ~string](b []byte, s T) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c == '%' || c == 0x7f:
			b = append(b, '%', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

// escaped is appendWord for JSON, which would change what is no UTF-8.
func escaped(key remote.Key) string { return url.PathEscape(string(key)) }

// unescaped undoes both.
func unescaped(word string) (remote.Key, error) {
	s, err := url.PathUnescape(word)
	return remote.Key(s), err
}

// appendTime writes a time as nanoseconds since 1970, "-" for none.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, '-')
	}
	return strconv.AppendInt(b, t.UnixNano(), 10)
}

func parseTime(word string) (time.Time, error) {
	if word == "-" || word == "" {
		return time.Time{}, nil
	}
	ns, err := strconv.ParseInt(word, 10, 64)
	return time.Unix(0, ns), err
}

// appendInfo writes "SIZE TIME KEY".
func appendInfo(b []byte, info remote.Info) []byte {
	b = strconv.AppendInt(b, info.Size, 10)
	b = append(b, ' ')
	b = appendTime(b, info.ModTime)
	b = append(b, ' ')
	return appendWord(b, info.Key)
}

// errEnding is why what runs for a command ends with the mount.
var errEnding = errors.New("the mount is ending")

// endedWith tells whether a context was ended for this reason.
func endedWith(ctx context.Context, why error) bool { return errors.Is(context.Cause(ctx), why) }
