//go:build !race

package upkeep

// scale divides the sizes of hostile signatures.
const scale = 1
