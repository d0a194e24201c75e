package transport

import (
	"net/http"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 500e6, time.UTC)
	for _, test := range []struct {
		date, age string
		text      string
		known     bool
	}{
		{date: "Fri, 02 Jan 2026 03:04:05 GMT", text: "as ours", known: true},
		{date: "Fri, 02 Jan 2026 03:14:05 GMT", text: "10m0s ahead of ours", known: true},
		{date: "Fri, 02 Jan 2026 03:04:00 GMT", text: "5s behind ours", known: true},
		{date: "Fri, 02 Jan 2026 03:14:05 GMT", age: "3", text: "unknown"},
		{date: "today", text: "unknown"},
		{text: "unknown"},
	} {
		var c Clock
		header := http.Header{"Date": {test.date}}
		if test.age != "" {
			header.Set("Age", test.age)
		}
		c.Hear(header, now)
		if _, known := c.Offset(); known != test.known || c.String() != test.text {
			t.Errorf("after %q, age %q: %q, %t, want %q, %t", test.date, test.age, &c, known, test.text, test.known)
		}
	}
}
