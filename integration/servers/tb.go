package servers

// TB is what is used of a testing.TB. The benchmark, a program, has another
// one: its Fatal and Fatalf do not return either.
type TB interface {
	Helper()
	Cleanup(fn func())
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
