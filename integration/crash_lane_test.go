package integration

import (
	"regexp"
	"sync/atomic"
	"testing"
)

// lane is a site with a daemon that is killed again and again.
type lane struct {
	laneKind
	t       *testing.T
	s       *site
	m       *mount
	number  int
	seed    uint64
	program string
	tour    *tour
	owed    string // the point to die at, if not the tour's next

	contents *contents
	workers  []*worker    // publishers first
	answers  atomic.Int64 // in this round
	working  atomic.Int64 // workers that have not come to the end of their plan

	keys    []string        // of all objects, in the order of their making
	signed  map[string]bool // archives with a .sig
	objects map[string]*object
	disk    *disk // what is on it for good, nil unless power fails
	logged  int64 // length of the daemon's log when it was last looked at
	acked   int   // publishes and removals that were acknowledged, in all rounds
	lost    int   // of them, with the power, and said so
	cuts    int   // power cuts
	rewinds int   // of them, that set back the names of the cache
	rewound int   // names that came back so, or became again what they were
}

// laneKind is a kind of remote and a way of publishing.
type laneKind struct {
	name  string
	place place
	flags []string
	power bool           // it fails, too
	data  bool           // --durability=data
	alone bool           // --read-only: what is published stays here
	rare  bool           // its rounds are long, and few
	feed  bool           // it tells others what it does
	visit *regexp.Regexp // the points to die at; nil: all that a directory leads to
}

// share is how many of a lane's rounds it plays.
func (k laneKind) share(rounds int) int {
	if k.rare {
		return rounds / 4
	}
	return rounds
}

// isServed tells whether the remote is a server.
func (k laneKind) isServed() bool { return k.place.kind != "" }
