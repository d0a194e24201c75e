package transport

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// A Clock knows how far a server's clock is ahead of ours, from the dates of
// its answers. The zero value knows nothing yet.
type Clock struct {
	ahead atomic.Int64 // nanoseconds, by the last answer
	known atomic.Bool
}

// Hear takes the Date of an answer that arrived at now. It has whole seconds,
// of which half a one has passed on average. What a cache on the way kept
// (Age) is no clock.
func (c *Clock) Hear(header http.Header, now time.Time) {
	t, err := http.ParseTime(header.Get("Date"))
	if err != nil || header.Get("Age") != "" {
		return
	}
	c.ahead.Store(int64(t.Add(time.Second / 2).Sub(now)))
	c.known.Store(true)
}

// Offset is how far the server's clock is ahead, to a second and the time that
// an answer travels. It is false before the first answer.
func (c *Clock) Offset() (time.Duration, bool) {
	return time.Duration(c.ahead.Load()), c.known.Load()
}

// Now is the time by the server's clock, or by ours as long as that is unknown.
func (c *Clock) Now() time.Time {
	ahead, _ := c.Offset()
	return time.Now().Add(ahead)
}

// clockExact is the difference that says nothing: dates have whole seconds.
const clockExact = 2 * time.Second

// String is the difference for people: "3s ahead of ours".
func (c *Clock) String() string {
	ahead, known := c.Offset()
	switch {
	case !known:
		return "unknown"
	case ahead.Abs() <= clockExact:
		return "as ours"
	case ahead < 0:
		return fmt.Sprintf("%v behind ours", -ahead.Round(time.Second))
	}
	return fmt.Sprintf("%v ahead of ours", ahead.Round(time.Second))
}
