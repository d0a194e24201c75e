//go:build race

package upkeep

// scale divides the sizes of hostile signatures: the race detector makes
// everything slow.
const scale = 8
