package ctl

import "time"

// CleanStatus is what a mount that cleans its remote by itself did. The JSON
// keys are stable.
type CleanStatus struct {
	EverySeconds float64   `json:"every_seconds"`
	Running      bool      `json:"running"`
	Next         time.Time `json:"next"`
	Last         *CleanRun `json:"last,omitempty"` // nil before the first
}

// CleanRun is one run. The JSON keys are stable.
type CleanRun struct {
	Begun    time.Time `json:"begun"`
	Seconds  float64   `json:"seconds"`
	LookedAt int64     `json:"looked_at_objects"`
	Removed  int64     `json:"removed_objects"`
	Bytes    int64     `json:"removed_bytes"`
	Failed   int64     `json:"failed_objects"`
	Error    string    `json:"error,omitempty"` // why it ended early
}

// ShowCleaning makes Status tell of it.
func (s *Session) ShowCleaning(status func() CleanStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleaning = status
}

// cleanStatus is nil for a mount that does not clean.
func (s *Session) cleanStatus() *CleanStatus {
	s.mu.Lock()
	status := s.cleaning
	s.mu.Unlock()
	if status == nil {
		return nil
	}
	now := status()
	return &now
}
