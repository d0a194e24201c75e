package fs

import (
	"context"
	"fmt"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"

	"sstatefs/remote"
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

// TestChangedToWhatWasLookedUp: the kernel looks up what a name has come to
// stand for, then the store tells that it has changed, then the kernel opens it.
func TestChangedToWhatWasLookedUp(t *testing.T) {
	r := newRig(t)
	_, file := r.look(t)
	r.st.changed(r.path())
	h, _, no := file.Open(&fuse.Context{}, 0)
	if no != 0 {
		t.Fatalf("open: %v", no)
	}
	if no := h.(*fileHandle).Release(context.Background()); no != 0 {
		t.Errorf("release: %v", no)
	}
	r.mem.Remove(remote.Key(r.path()))
	if _, err := r.st.store.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.st.changed(r.path())
	if got := file.object(); got != "" {
		t.Errorf("what is gone is still %s", got)
	}
}
