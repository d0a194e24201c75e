package store

import (
	"strconv"
	"strings"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// A slot is five minutes of the remote's clock, counted since 1970. What was
// told in them is in one folder, which one listing covers.
type slot int64

const (
	slotLength = 5 * time.Minute

	// slotRing is how many folders there are: a week. They come again and
	// again, as nothing removes the empty folders of a WebDAV server; names
	// tell the week.
	slotRing = 2016

	// slotLate is how long after its end a slot is still read. Who writes makes
	// sure that a part is there by half of that, by the remote's own clock; the
	// other half is for what a reader may have that clock wrong.
	slotLate = 90 * time.Second

	// slotReach is how many slots back the feed is relied on: three days. Who
	// was away for longer lists everything. It is less than sstate.FeedKept.
	slotReach = 864
)

func slotAt(t time.Time) slot { return slot(t.Unix() / int64(slotLength/time.Second)) }

func (s slot) begin() time.Time { return time.Unix(int64(s)*int64(slotLength/time.Second), 0) }

func (s slot) end() time.Time { return (s + 1).begin() }

// folder is where the slot's names are, by weekday and time of day.
func (s slot) folder() string {
	t := s.begin().UTC()
	return sstate.FeedFolder + "/" + strconv.Itoa(int(t.Weekday())) + "-" + t.Format("1504")
}

// The kinds of names in a slot.
const (
	feedPart   = "part"   // what one host did
	feedBundle = "bundle" // the parts of many hosts, that came before it
	feedClaim  = "claim"  // somebody is making the bundle of this number
)

// feedName is a name of the feed:
//
//	sstatefs-feed/6-1435/sstate:feed:20261121T1435:part:0123456789abcdef
//	sstatefs-feed/6-1435/sstate:feed:20261121T1435:claim:0002
//	sstatefs-feed/6-1435/sstate:feed:20261121T1435:bundle:0002-0123456789abcdef
type feedName struct {
	slot   slot
	kind   string
	number int    // of a claim or bundle
	id     uint64 // of a part or bundle
}

const slotFormat = "20060102T1504"

func (n feedName) key() remote.Key {
	id := feedID(n.id)
	switch n.kind {
	case feedClaim:
		id = bundleNumber(n.number)
	case feedBundle:
		id = bundleNumber(n.number) + "-" + id
	}
	base := sstate.FeedPrefix + n.slot.begin().UTC().Format(slotFormat) + ":" + n.kind + ":" + id
	return remote.Join(n.slot.folder(), base)
}

func feedID(id uint64) string {
	digits := strconv.FormatUint(id, 16)
	return strings.Repeat("0", 16-len(digits)) + digits
}

func bundleNumber(n int) string {
	digits := strconv.Itoa(n)
	return strings.Repeat("0", max(0, 4-len(digits))) + digits
}

// parseFeed reads a name of a slot. ok is false for those of other weeks, and
// for what nobody of us has written.
func (s slot) parseFeed(key remote.Key) (n feedName, ok bool) {
	_, base := key.Split()
	rest, ok := strings.CutPrefix(base, sstate.FeedPrefix+s.begin().UTC().Format(slotFormat)+":")
	if !ok {
		return n, false
	}
	n.slot = s
	kind, id, _ := strings.Cut(rest, ":")
	number, hex, bundle := strings.Cut(id, "-")
	var err error
	switch {
	case kind == feedPart:
		n.kind = feedPart
		n.id, err = strconv.ParseUint(id, 16, 64)
	case kind == feedClaim:
		n.kind = feedClaim
		n.number, err = strconv.Atoi(id)
	case kind == feedBundle && bundle:
		n.kind = feedBundle
		if n.number, err = strconv.Atoi(number); err == nil {
			n.id, err = strconv.ParseUint(hex, 16, 64)
		}
	}
	// Written anew it has to be the same: there is one name for each thing.
	return n, err == nil && n.kind != "" && n.number >= 0 && n.key() == key
}
