package main

import (
	"math"
	"time"
)

// What the code does. Each is named where it is.
const (
	page         = 1000             // keys of a LIST answer, and of the index's requests
	pageBytes    = 550_000          // of an answer with a full page
	shards       = 256              // store/index.go: the first folder of a hash
	pagesInRow   = 8                // remote/s3/tree.go: then what is left is split
	rangePages   = 4                // remote/s3/tree.go: into ranges of so many pages,
	listers      = 16               // remote/s3/tree.go: at most so many
	jobs         = 16               // --jobs: shards listed at a time
	refreshShare = 10               // store/indexfill.go: rest after a refresh, in its durations,
	longestRest  = 5 * time.Minute  // at most
	slot         = 5 * time.Minute  // store/feedname.go
	late         = 90 * time.Second // store/feedname.go: how long a slot is read after its end
	direct       = 32               // store/feedread.go: parts read one by one
	entryBytes   = 60               // of an entry of the feed, compressed; of 150
	memory       = 63               // bytes of an index in memory per object
	day          = 24 * 60 * time.Minute
)

// A site is how much there is.
type site struct {
	objects float64
	hosts   float64
}

// assumptions are what builds do and what requests cost.
type assumptions struct {
	sites []site
	price struct {
		put, get float64 // USD per 1,000
		out      float64 // USD per GB
	}
	builds, published, fetched float64 // per host and day; per build
	used                       float64 // part of all objects per day
	building                   time.Duration
	objectBytes                float64
	trip                       time.Duration
	refresh, relist            time.Duration
}

// cost is what something takes on one day, of all hosts.
type cost struct {
	put   float64 // requests of the price of PUT: PUT, COPY, LIST
	get   float64 // requests of the price of GET: GET, HEAD
	bytes float64
}

func (c cost) plus(o cost) cost { return cost{c.put + o.put, c.get + o.get, c.bytes + o.bytes} }

func (c cost) times(n float64) cost { return cost{c.put * n, c.get * n, c.bytes * n} }

func (a *assumptions) usd(c cost) float64 {
	return (c.put*a.price.put+c.get*a.price.get)/1000 + c.bytes/1e9*a.price.out
}

// shardLists is how many requests list a shard of n objects: its pages, and if
// they are more than some in a row a look for its folders and at most one more
// for each range that begins in the middle of a page.
func shardLists(n float64) float64 {
	pages := math.Max(1, math.Ceil(n/page))
	if pages <= pagesInRow {
		return pages
	}
	ranges := math.Min(math.Ceil((n/page-pagesInRow)/rangePages), listers)
	return pages + 1 + ranges - 1
}

// listing is one listing of all, by one host.
func listing(s site) cost {
	lists := 1 + shards*shardLists(s.objects/shards)
	return cost{put: lists, bytes: s.objects / page * pageBytes}
}

// listingTime is how long that takes.
func (a *assumptions) listingTime(s site) time.Duration {
	return time.Duration(listing(s).put / jobs * float64(a.trip))
}

// period is the time from one refresh by listing to the next.
func (a *assumptions) period(s site) time.Duration {
	t := a.listingTime(s)
	return max(a.refresh, t+min(refreshShare*t, longestRest))
}

// refreshes is how often a host refreshes on a day, if every minute of building
// has a miss.
func (a *assumptions) refreshes(period time.Duration) float64 {
	return float64(a.building) / float64(period)
}

// byListing is the refresh of all hosts without the feed.
func (a *assumptions) byListing(s site) cost {
	return listing(s).times(s.hosts * a.refreshes(a.period(s)))
}

// atMount is one listing of all by every host, once a day.
func atMount(s site) cost { return listing(s).times(s.hosts) }

// touches is a HEAD and a COPY for each object that is used, once a day.
func (a *assumptions) touches(s site) cost {
	n := a.used * s.objects
	return cost{put: n, get: n}
}

// publishes and fetches are what there is a cache for.
func (a *assumptions) publishes(s site) cost {
	n := s.hosts * a.builds * a.published
	return cost{put: n, bytes: n * a.objectBytes}
}

func (a *assumptions) fetches(s site) cost {
	n := s.hosts * a.builds * a.fetched
	return cost{get: n, bytes: n * a.objectBytes}
}

// clean is one sweep a day: pages without the folders of shards.
func clean(s site) cost {
	pages := math.Ceil(s.objects / page)
	return cost{put: pages, bytes: pages * pageBytes}
}
