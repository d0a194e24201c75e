package proxy

import (
	"net/http"
	"slices"
	"time"
)

// A Fault is what a Proxy does to requests.
type Fault struct {
	kind   kind
	amount int64         // bytes, bytes a second, or a status
	time   time.Duration // of a delay, a clock or a Retry-After
	verbs  []string
	every  int
	times  int
}

type kind int

const (
	none kind = iota
	refuse
	blackHole
	status
	stall
	drop
	reset
	mangle
	truncate
	slow
	loseAnswer
	delay
	repeat
	omit
	skew
)

// Refuse closes the port and all connections: connection refused.
func Refuse() Fault { return Fault{kind: refuse} }

// BlackHole accepts connections and requests and never answers.
func BlackHole() Fault { return Fault{kind: blackHole} }

// Status answers with a status and no body, and asks the server nothing.
func Status(code int) Fault { return Fault{kind: status, amount: int64(code)} }

// TooMany answers 429 and asks to come back after a time, in whole seconds.
func TooMany(after time.Duration) Fault {
	return Fault{kind: status, amount: http.StatusTooManyRequests, time: after}
}

// Delay lets a request wait before it is handed on. The waiting ends with the
// fault.
func Delay(d time.Duration) Fault { return Fault{kind: delay, time: d} }

// Stall lets n bytes of a body pass, of the request or of the answer, and then
// nothing more. Shorter bodies pass.
func Stall(n int64) Fault { return Fault{kind: stall, amount: n} }

// Drop lets n bytes of a body pass, of the request or of the answer, and then
// closes the connections of both sides. Shorter bodies pass.
func Drop(n int64) Fault { return Fault{kind: drop, amount: n} }

// Reset is Drop by a server that dies: what was sent and not yet read is lost,
// and who reads is told "connection reset".
func Reset(n int64) Fault { return Fault{kind: reset, amount: n} }

// Mangle flips bits in what is got: GET and no other verb, unless On says so.
func Mangle() Fault { return Fault{kind: mangle, verbs: []string{http.MethodGet}} }

// Truncate cuts what is got to n bytes and says that this is all of it: GET and
// no other verb, unless On says so.
func Truncate(n int64) Fault {
	return Fault{kind: truncate, amount: n, verbs: []string{http.MethodGet}}
}

// Slow lets bodies pass at so many bytes a second, each way of each request.
func Slow(bytesPerSecond int64) Fault { return Fault{kind: slow, amount: bytesPerSecond} }

// listings are the verbs whose answers list objects.
func listings() []string { return []string{"LIST", "PROPFIND"} }

// Repeat lets every object of a listing come twice.
func Repeat() Fault { return Fault{kind: repeat, verbs: listings()} }

// Omit leaves all objects out of listings. Folders stay.
func Omit() Fault { return Fault{kind: omit, verbs: listings()} }

// Skew shifts the times of all answers, as of a server whose clock is wrong.
func Skew(by time.Duration) Fault { return Fault{kind: skew, time: by} }

// LoseAnswer lets the server do what is asked and closes the connection in
// place of an answer: PUT, COPY and MOVE, unless On says so.
func LoseAnswer() Fault {
	return Fault{kind: loseAnswer, verbs: []string{http.MethodPut, "COPY", "MOVE"}}
}

// On limits a fault to some verbs.
func (f Fault) On(verbs ...string) Fault {
	f.verbs = verbs
	return f
}

// Every limits a fault to each n-th request that it would hit.
func (f Fault) Every(n int) Fault {
	f.every = n
	return f
}

// Times limits a fault to the first n requests that it would hit.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// hits tells whether the fault is for the n-th request (from 1) of a verb that
// it is for.
func (f Fault) hits(n int) bool {
	if f.every > 1 {
		if n%f.every != 0 {
			return false
		}
		n /= f.every
	}
	return f.times == 0 || n <= f.times
}

func (f Fault) isFor(verb string) bool {
	return len(f.verbs) == 0 || slices.Contains(f.verbs, verb)
}

// verbOf names what a request wants.
func verbOf(r *http.Request) string {
	switch {
	case r.Method == http.MethodGet && r.URL.Query().Has("list-type"):
		return "LIST"
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		return "COPY"
	}
	return r.Method
}
