package webdav

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
)

// known is what was found out about a server. The zero value is what holds of
// every server: nothing is taken for granted.
type known struct {
	mirror bool // it has no WebDAV: GET and HEAD only

	deep        bool // PROPFIND Depth: infinity shows all
	folderTimes bool // the time of a folder moves when a name in it comes or goes

	asked       bool // the rest was found out, by writing
	conditional bool // PUT If-None-Match: * refuses an existing name
	whole       bool // spares, and a PUT shows nothing before it is complete
	exclusive   bool // MOVE Overwrite: F refuses an existing name
	pairs       bool // a MOVE may follow a PUT before that is answered
	spares      bool // a PUT that breaks leaves nothing
	ifs         bool // MOVE heeds the etag of its destination in an If header
	timeHeader  bool // PUT heeds X-OC-Mtime
	fileDelete  bool // DELETE with Depth: 0 refuses a folder
	paths       bool // PUT makes missing folders, the root among them
	touch       touch
}

// A touch is how the time of an object is moved.
type touch byte

const (
	touchLater    touch = 'l' // not found out yet, see explore.go
	touchNever    touch = 'n'
	touchProperty touch = 'p' // PROPPATCH getlastmodified
	touchCopy     touch = 'c' // COPY to a temporary, MOVE back
	touchPut      touch = 'u' // PUT to a temporary, MOVE
)

// learnedVersion changes with the meaning of a Learned line.
const learnedVersion = "webdav3"

// flags gives every bool with its letter.
func (k *known) flags() []struct {
	letter byte
	on     *bool
} {
	return []struct {
		letter byte
		on     *bool
	}{
		{'m', &k.mirror}, {'d', &k.deep}, {'f', &k.folderTimes}, {'a', &k.asked}, {'c', &k.conditional},
		{'w', &k.whole}, {'x', &k.exclusive}, {'2', &k.pairs}, {'s', &k.spares},
		{'i', &k.ifs}, {'t', &k.timeHeader}, {'r', &k.fileDelete}, {'p', &k.paths},
	}
}

// line is known as one line of text: version, fingerprint of the server,
// letters of what is true, way to touch.
func (k known) line(fingerprint string) string {
	var letters strings.Builder
	letters.WriteByte('-')
	for _, f := range k.flags() {
		if *f.on {
			letters.WriteByte(f.letter)
		}
	}
	return fmt.Sprintf("%s %s %s %c", learnedVersion, fingerprint, &letters, k.touch)
}

// parseLearned reads a line; ok is false for one of another version.
func parseLearned(line string) (k known, fingerprint string, ok bool) {
	words := strings.Split(line, " ")
	if len(words) != 4 || words[0] != learnedVersion || len(words[3]) != 1 || !strings.HasPrefix(words[2], "-") {
		return known{}, "", false
	}
	for _, f := range k.flags() {
		*f.on = strings.IndexByte(words[2][1:], f.letter) >= 0
	}
	k.touch = touch(words[3][0])
	if !strings.ContainsRune("lnpcu", rune(k.touch)) || k.line(words[1]) != line {
		return known{}, "", false
	}
	return k, words[1], true
}

// fingerprint changes when the server is replaced by another product, version
// or configuration, as far as its answers tell: then it is asked again.
func fingerprint(at *place, header http.Header) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s://%s\n%q\n%q", at.url.Scheme, at.url.Host, header.Values("Server"), header.Values("DAV"))
	return fmt.Sprintf("%016x", h.Sum64())
}

// Learned see remote.Learner.
func (d *DAV) Learned() string {
	k := d.knows()
	if !d.looked.Load() || !k.mirror && !k.asked {
		return d.before
	}
	return k.line(d.mark())
}
