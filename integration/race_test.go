//go:build race

package integration

// raceBuild tells that the tests are built with the race detector.
const raceBuild = true
