package siginfo

import (
	"errors"
	"fmt"
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
	h := newDigest()
	if err := h.add(body.Text()); err != nil {
		return "", err
	}
	for _, dep := range sorted(s.TaskDeps) {
		value, there := s.VarVals[dep]
		if !there {
			return "", fmt.Errorf("no value of %.200s", dep)
		}
		text := dep
		if !value.None() {
			text += value.String()
		}
		if err := h.add(text); err != nil {
			return "", err
		}
	}
	return h.hex(), nil
}

// ComputeTaskHash computes the task hash from the base hash, the dependencies,
// the checksums of files and the taint. It equals TaskHash, or the file is not
// what BitBake wrote. It is an error when something that enters the hash is
// not in the file, as in sigbasedata files.
func (s *Signature) ComputeTaskHash() (string, error) {
	if s.RunTaskDeps == nil {
		return "", errors.New("no runtaskdeps in it")
	}
	h := newDigest()
	if err := h.add(s.BaseHash); err != nil {
		return "", err
	}
	for _, dep := range s.RunTaskDeps {
		hash, there := s.RunTaskHashes[dep]
		if !there {
			return "", fmt.Errorf("no hash of %.200s", dep)
		}
		if err := h.add(hash); err != nil {
			return "", err
		}
	}
	for _, f := range s.FileChecksums {
		if err := h.add(f.hashed()); err != nil {
			return "", err
		}
	}
	if err := h.add(hashedTaint(s.Taint.Text())); err != nil {
		return "", err
	}
	return h.hex(), nil
}

// hashed is what of a file enters the hash.
func (f FileChecksum) hashed() string {
	switch {
	case f.Sum.empty():
		return ""
	case strings.Contains(f.Name, "./"): // of a file in a folder; base names do not enter
		return f.Name + f.Sum.String()
	}
	return f.Sum.String()
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
