//go:build !race

package siginfo

// scale divides the sizes of hostile signatures.
const scale = 1
