package remotetest

import "testing"

func TestMemory(t *testing.T) {
	Suite(t, func(*testing.T) Harness { return Harness{Remote: NewMemory()} })
}
