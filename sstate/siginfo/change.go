package siginfo

// Kind says what differs. The words are stable: they are in JSON.
type Kind string

// The kinds of changes, in the order of BitBake's messages.
const (
	IgnoreVars  Kind = "ignore-vars"  // basehash_ignore_vars
	IgnoreTasks Kind = "ignore-tasks" // taskhash_ignore_tasks
	TaskDeps    Kind = "taskdeps"     // the variables that the task depends on
	BaseHash    Kind = "basehash"     // follows from variables, never a cause
	VarDeps     Kind = "variable-deps"
	VarAdded    Kind = "variable-added"
	VarRemoved  Kind = "variable-removed"
	Variable    Kind = "variable"
	FileChanged Kind = "file"
	FileAdded   Kind = "file-added"
	FileRemoved Kind = "file-removed"
	Deps        Kind = "deps" // the list of tasks and their hashes as a whole
	DepAdded    Kind = "dep-added"
	DepRemoved  Kind = "dep-removed"
	DepHash     Kind = "dep-hash" // follows from changes in that dependency
	Taint       Kind = "taint"
)

// Change is one difference between two signatures of a task.
type Change struct {
	Kind   Kind   `json:"kind"`
	Name   string `json:"name"`   // variable, file or key of a dependency
	Before Value  `json:"before"` // None where it was not there
	After  Value  `json:"after"`  // None where it is not any more

	detail []string // of Deps: what BitBake says below its list
}
