package fs

import (
	"fmt"
	"testing"
)

// What the kernel does not hold is left out when too much waits; what it holds
// never is.
func TestNotifierIsBounded(t *testing.T) {
	n := newNotifier()
	for i := range 2 * maxOffered {
		n.offer(fmt.Sprint("missing", i))
	}
	n.add("known", nil)
	if got, want := len(n.order), maxOffered+1; got != want {
		t.Errorf("%d names wait, want %d", got, want)
	}
	if _, ok := n.pending["known"]; !ok {
		t.Error("a name that the kernel holds was left out")
	}
}
