//go:build race

package store

// million is a tenth of it: the race detector makes everything slow.
const million = 51_200
