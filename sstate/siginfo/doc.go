// Package siginfo reads BitBake's signature files and says what differs
// between two of them, in the words of bitbake-diffsigs and bitbake-dumpsig of
// BitBake 2.19. It is knowledge only: it opens no file, and whatever is needed
// beside the two signatures comes from a [Finder] of the caller.
//
// # Reading
//
// [Read] takes all that BitBake has written: JSON in zstd (1.53 and later,
// with the key names of before and after 2.0), the same JSON bare, and Python
// pickles (up to 1.52). A pickle is data here: the opcodes that build
// dicts, lists, tuples, sets, strings and numbers are known, all else ends the
// reading, and nothing is ever executed.
//
// Content that is no signature is [ErrBroken]; an error of the reader itself
// is not. Time and memory are bounded whatever the bytes say: see the
// constants in read.go.
//
// # Comparing
//
// [Diff] lists what differs between two signatures, as [Change] values that
// can be counted and grouped, and costs no more than walking over both.
// [Compare] does the same, follows changed dependencies as BitBake does, and
// has the text: [Comparison.Lines]. [Comparison.Causes] are the changes at the
// bottom, those that all others follow from.
//
// Sets have no order in BitBake's output; here their elements are sorted.
// Where BitBake would end with a Python exception (a key that is missing on
// one side, two different patterns of ignored tasks) a line is printed that
// follows its rules as far as they go.
//
// # Python
//
// The text is Python's: repr of strings and sets, str.splitlines, difflib's
// unified diff with its junk heuristic. Which characters repr escapes depends
// on the version of Unicode: Go's knows some that Python 3.11's does not.
//
// # Concurrency
//
// A Signature is not changed after Read, so that it may be shared. All
// functions are safe for concurrent use; none starts a goroutine.
package siginfo
