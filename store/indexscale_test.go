//go:build !race

package store

// million is how many pairs of archive and siginfo are about a million objects:
// a multiple of 256.
const million = 500_224
