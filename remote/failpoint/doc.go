// Package failpoint ends the program with SIGKILL at named points, for the
// crash test of package integration.
//
// A program that is built without the tag failpoints, as every released one is,
// has empty functions here that the compiler removes: no variable of the
// environment can trip them. With the tag SSTATEFS_FAILPOINT=NAME:N kills the
// process when it passes the point NAME for the Nth time, and what was brought
// to disk is written down in the file that SSTATEFS_SYNCS names.
//
// The names are in the calls. The crash test collects them from the source, so
// that no point goes untried.
//
// It imports nothing of ours and stands here since backends, which may not
// import the store, have points too.
package failpoint
