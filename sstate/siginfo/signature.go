package siginfo

// Signature is the content of a signature file: all that entered the hash of
// one task. Key names of before BitBake 2.0 are under those of today. A nil map
// or slice is a key that the file does not have, as opposed to an empty one:
// sigbasedata files lack what is known at run time only.
type Signature struct {
	Task string // "do_compile"; empty in very old files

	// What does not enter the hash.
	BaseHashIgnoreVars  []string // variables, sorted
	TaskHashIgnoreTasks Value    // None or a pattern; a set is never seen

	// What enters the base hash: the body of the task and its variables.
	TaskDeps []string            // names of variables, in the file's order
	GenDeps  map[string][]string // variable to those it depends on, sorted
	VarVals  map[string]Value    // task or variable to its unexpanded value; None or a text
	BaseHash string

	// What enters the task hash, beside the base hash.
	RunTaskDeps   []string          // keys of tasks, see ParseDep
	RunTaskHashes map[string]string // key to unihash, which is the hash in file names
	FileChecksums []FileChecksum    // in the file's order; names occur twice
	Taint         Value             // None; a text: a UUID or "nostamp:UUID"

	TaskHash string // empty in sigbasedata files
	UniHash  string // empty in sigbasedata files

	hasIgnoreTasks bool // the key is there, perhaps with null
}

// FileChecksum is a file of SRC_URI and its checksum.
type FileChecksum struct {
	Name string // base name, or ./x/y for a file of a folder
	Sum  Value  // None when the file did not exist
}
