// Package transport is what the backends that speak HTTP share: connections
// with short dial timeouts and a pool that fits a build's parallel requests,
// own authorities and client certificates; bodies that are asked for again
// where they were cut, large ones in parallel pieces within a common memory;
// sources that are sent whole or not at all; locks by key, and the server's
// clock. It asks for nothing itself, and classifies no errors but contents of
// another length than was announced: the rest is the backends' part.
package transport
