//go:build !failpoints

package failpoint

// Pass does nothing in this build.
func Pass(string) {}

// Synced does nothing in this build.
func Synced(string) {}

// SyncedAll does nothing in this build.
func SyncedAll(string) {}
