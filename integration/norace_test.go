//go:build !race

package integration

// raceBuild tells that the binary is to be built with the race detector too.
const raceBuild = false
