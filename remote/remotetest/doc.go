// Package remotetest states what every remote promises and tests it: Suite runs
// against any backend, with real servers where there are any. It asks Traits
// where abilities differ and knows nothing of how a backend works.
//
// Memory is a remote in this process for the tests of what stands above: it
// passes the Suite and has switches for everything that a remote can do wrong.
package remotetest
