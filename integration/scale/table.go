package main

import (
	"fmt"
	"strings"
	"time"
)

// tables are all of them, as Markdown.
func (a *assumptions) tables() string {
	var b strings.Builder
	b.WriteString(a.listingTable() + "\n" + a.dayTable() + "\n" + a.feedTable() + "\n" + a.monthTable())
	return b.String()
}

func header(cells ...string) string {
	return row(cells...) + "|" + strings.Repeat("---|", len(cells)) + "\n"
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// head is the header of a table with a column for each site.
func (a *assumptions) head(first string) string {
	cells := []string{first}
	for _, s := range a.sites {
		cells = append(cells, fmt.Sprintf("%s objects, %s hosts", count(s.objects), count(s.hosts)))
	}
	return header(cells...)
}

// line is a row of such a table.
func (a *assumptions) line(name string, cell func(site) string) string {
	cells := []string{name}
	for _, s := range a.sites {
		cells = append(cells, cell(s))
	}
	return row(cells...)
}

// listingTable is what one host does to know what there is.
func (a *assumptions) listingTable() string {
	return a.head("One host") +
		a.line("memory of the index", func(s site) string { return bytes(s.objects * memory) }) +
		a.line("requests of one listing", func(s site) string { return count(listing(s).put) }) +
		a.line("money for one listing", func(s site) string { return dollars(a.usd(listing(s))) }) +
		a.line("time of one listing", func(s site) string { return short(a.listingTime(s)) }) +
		a.line("from one refresh to the next", func(s site) string { return short(a.period(s)) })
}

// dayTable is a day of all hosts without the feed.
func (a *assumptions) dayTable() string {
	money := func(fn func(site) cost) func(site) string {
		return func(s site) string { return a.text(fn(s)) }
	}
	all := func(s site) cost {
		return a.publishes(s).plus(a.fetches(s)).plus(a.touches(s)).plus(clean(s)).plus(atMount(s)).plus(a.byListing(s))
	}
	return a.head("A day of all hosts, without the feed") +
		a.line("publish (PUT)", money(a.publishes)) +
		a.line("fetch (GET)", money(a.fetches)) +
		a.line("touches (HEAD, COPY)", money(a.touches)) +
		a.line("clean once (LIST)", money(clean)) +
		a.line("index at the mount, once (LIST)", money(atMount)) +
		a.line("index refresh (LIST)", money(a.byListing)) +
		a.line("all", money(all))
}

// feedTable is the same day with the feed, what it changes.
func (a *assumptions) feedTable() string {
	part := func(fn func(feedDay) cost) func(site) string {
		return func(s site) string { return a.text(fn(a.feed(s))) }
	}
	return a.head("A day of all hosts, with the feed") +
		a.line("entries (objects published, touched)", func(s site) string { return count(a.feed(s).entries) }) +
		a.line("write parts (PUT, HEAD)", part(func(f feedDay) cost { return f.write })) +
		a.line("bundle them (GET, PUT)", part(func(f feedDay) cost { return f.bundle })) +
		a.line("list slots (LIST)", part(func(f feedDay) cost { return f.list })) +
		a.line("read news (GET)", part(func(f feedDay) cost { return f.read })) +
		a.line("catch up after the night (LIST)", part(func(f feedDay) cost { return f.catchUp })) +
		a.line("the feed in all", part(func(f feedDay) cost { return f.all() })) +
		a.line("list all every "+short(a.relist), part(func(f feedDay) cost { return f.relist })) +
		a.line("instead of refresh and mount above", func(s site) string {
			f := a.feed(s)
			return dollars(a.usd(f.all().plus(f.relist))) + " instead of " + dollars(a.usd(a.byListing(s).plus(atMount(s))))
		})
}

// monthTable is what settings do to the refresh: USD per day of all hosts.
func (a *assumptions) monthTable() string {
	text := a.head("Index refresh of a day, by settings")
	for _, refresh := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour} {
		b := *a
		b.refresh = refresh
		text += b.line("listing, --refresh "+short(refresh), func(s site) string { return dollars(b.usd(b.byListing(s))) })
	}
	for _, refresh := range []time.Duration{time.Minute, 5 * time.Minute} {
		for _, relist := range []time.Duration{day, 7 * day} {
			b := *a
			b.refresh, b.relist = refresh, relist
			text += b.line("--feed --refresh "+short(refresh)+" --relist "+short(relist), func(s site) string {
				f := b.feed(s)
				return dollars(b.usd(f.all().plus(f.relist)))
			})
		}
	}
	return text
}

// text is a cost in a cell.
func (a *assumptions) text(c cost) string {
	return fmt.Sprintf("%s requests, %s, %s", count(c.put+c.get), bytes(c.bytes), dollars(a.usd(c)))
}

// count writes a number with three digits.
func count(n float64) string { return scaled(n, []string{"", " k", " M", " G", " T"}) }

func bytes(n float64) string { return scaled(n, []string{" B", " kB", " MB", " GB", " TB", " PB"}) }

func scaled(n float64, units []string) string {
	for _, unit := range units {
		switch {
		case n < 10 && n != float64(int(n)):
			return fmt.Sprintf("%.1f%s", n, unit)
		case n < 999.5:
			return fmt.Sprintf("%.0f%s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%.0f%s", n*1000, units[len(units)-1])
}

func dollars(n float64) string {
	if n < 10 {
		return fmt.Sprintf("%.2f USD", n)
	}
	return fmt.Sprintf("%.0f USD", n)
}

// short writes a duration without its zeros.
func short(d time.Duration) string {
	switch {
	case d >= day && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
