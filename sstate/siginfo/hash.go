package siginfo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ComputeBaseHash computes the base hash from the task's body and variables.
// It equals BaseHash, or the file is not what BitBake wrote. It is an error
// when something that enters the hash is not in the file.
func (s *Signature) ComputeBaseHash() (string, error) {
	if s.Task == "" {
		return "", errors.New("no task in it")
	}
	body, there := s.VarVals[s.Task]
	if !there {
		return "", fmt.Errorf("no value of %s", s.Task)
	}
	h := sha256.New()
	fmt.Fprint(h, body.Text())
	for _, dep := range slices.Sorted(slices.Values(s.TaskDeps)) {
		value, there := s.VarVals[dep]
		if !there {
			return "", fmt.Errorf("no value of %s", dep)
		}
		fmt.Fprint(h, dep)
		if !value.None() {
			fmt.Fprint(h, value.String())
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ComputeTaskHash computes the task hash from the base hash, the dependencies,
// the checksums of files and the taint. It equals TaskHash, or the file is not
// what BitBake wrote. It is an error when something that enters the hash is
// not in the file, as in sigbasedata files.
func (s *Signature) ComputeTaskHash() (string, error) {
	if s.RunTaskDeps == nil {
		return "", errors.New("no runtaskdeps in it")
	}
	h := sha256.New()
	fmt.Fprint(h, s.BaseHash)
	for _, dep := range s.RunTaskDeps {
		hash, there := s.RunTaskHashes[dep]
		if !there {
			return "", fmt.Errorf("no hash of %s", dep)
		}
		fmt.Fprint(h, hash)
	}
	for _, f := range s.FileChecksums {
		if f.Sum.empty() {
			continue
		}
		// Names of files in a folder enter the hash, base names do not.
		if strings.Contains(f.Name, "./") {
			fmt.Fprint(h, f.Name)
		}
		fmt.Fprint(h, f.Sum.String())
	}
	fmt.Fprint(h, hashedTaint(s.Taint.Text()))
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashedTaint is what of a taint enters the hash. BitBake looks for the mark
// anywhere and then leaves out as many characters at the beginning.
func hashedTaint(taint string) string {
	if !strings.Contains(taint, noStamp) {
		return taint
	}
	return string([]rune(taint)[len(noStamp):])
}

// noStamp begins the taint of tasks that always run (do_x[nostamp]).
const noStamp = "nostamp:"
