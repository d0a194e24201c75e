package siginfo

import (
	"strings"
	"testing"
)

// The hashes of real files are recomputed from what is in them.
func TestComputeHashes(t *testing.T) {
	for _, set := range []string{"bitbake-2.19", "bitbake-2.0", "bitbake-1.46"} {
		files := loadFixtures(t, set)
		count := 0
		for name := range files {
			if !strings.HasSuffix(name, ".siginfo") {
				continue
			}
			count++
			s := files.signature(t, name)
			if got, err := s.ComputeBaseHash(); err != nil || got != s.BaseHash {
				t.Errorf("%s/%s: ComputeBaseHash() = %s, %v, want %s", set, name, got, err, s.BaseHash)
			}
			if got, err := s.ComputeTaskHash(); err != nil || got != s.TaskHash {
				t.Errorf("%s/%s: ComputeTaskHash() = %s, %v, want %s", set, name, got, err, s.TaskHash)
			}
		}
		if count < 10 {
			t.Errorf("%s: %d signatures only", set, count)
		}
	}
}

func TestComputeHashesOfParts(t *testing.T) {
	s := &Signature{Task: "do_x", VarVals: map[string]Value{"do_x": {}}, TaskDeps: []string{"A"}}
	if _, err := s.ComputeBaseHash(); err == nil || err.Error() != "no value of A" {
		t.Errorf("ComputeBaseHash() = %v without a value", err)
	}
	if _, err := s.ComputeTaskHash(); err == nil || err.Error() != "no runtaskdeps in it" {
		t.Errorf("ComputeTaskHash() = %v of sigbasedata", err)
	}
	s.RunTaskDeps = []string{"a:do_x"}
	if _, err := s.ComputeTaskHash(); err == nil || err.Error() != "no hash of a:do_x" {
		t.Errorf("ComputeTaskHash() = %v without a hash", err)
	}
	s.VarVals["A"] = Value{}
	if got, err := s.ComputeBaseHash(); err != nil || !strings.HasPrefix(got, "559aead08264d579") { // sha256 of "A"
		t.Errorf("ComputeBaseHash() = %s, %v", got, err)
	}
}
