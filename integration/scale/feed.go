package main

import "math"

// feedDay is what the feed takes on a day, of all hosts.
type feedDay struct {
	parts   float64 // written
	entries float64
	write   cost    // parts, and a look at the time of each
	bundle  cost    // made by whoever comes first
	list    cost    // slots that are read
	read    cost    // parts and bundles
	catchUp cost    // slots of the hours without builds
	relist  cost    // by listing, for what other tools did
	slots   float64 // listing requests of one refresh
}

func (f *feedDay) all() cost {
	return f.write.plus(f.bundle).plus(f.list).plus(f.read).plus(f.catchUp)
}

// feed works out the feed of a site. Hosts are taken to publish or touch in
// every half of a refresh in which they build, and all at the same hours.
func (a *assumptions) feed(s site) feedDay {
	var f feedDay
	f.entries = s.hosts*a.builds*a.published + a.used*s.objects
	rounds := a.refreshes(a.refresh)
	f.parts = math.Min(s.hosts*2*rounds, f.entries)
	f.write = cost{put: f.parts, get: f.parts, bytes: f.entries * entryBytes}

	// Of the parts between two refreshes of a host at most direct are read one
	// by one; the others come in bundles of a little more than that.
	fresh := f.parts / rounds
	gets, bundles := fresh, 0.0
	if fresh > direct {
		bundles = f.parts / (direct + 1)
		gets = fresh/(direct+1) + direct/2
	}
	// A claim and a bundle, and the parts that go into it.
	f.bundle = cost{put: 2 * bundles, get: bundles * direct, bytes: 2 * f.entries * entryBytes * math.Min(1, bundles)}

	// A refresh lists the slot of now, half full on average, and the one before
	// for as long as parts may be late.
	open := (float64(slot)/2 + float64(slot)*float64(late)/float64(slot)) / float64(a.building) * f.parts
	slots := 1 + float64(late)/float64(slot) + float64(a.refresh)/float64(slot)
	f.slots = math.Max(slots, math.Ceil(open/page))
	f.list = cost{put: s.hosts * rounds * f.slots}
	f.list.bytes = s.hosts * rounds * open * pageBytes / page
	f.read = cost{get: s.hosts * rounds * gets, bytes: s.hosts * f.entries * entryBytes}
	f.catchUp = cost{put: s.hosts * float64(day-a.building) / float64(slot)}
	f.relist = listing(s).times(s.hosts * float64(day) / float64(a.relist))
	return f
}
