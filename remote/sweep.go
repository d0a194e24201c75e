package remote

import "context"

// A Sweeper can list everything there is, folder by folder and in as few
// requests as its remote allows: for who judges the names of one folder
// together, and acts on them while they are fresh.
type Sweeper interface {
	// Sweep calls fn for every folder below the root that holds files, once
	// and with all of them: objects, Temporaries and whatever else other
	// programs have put there. A directory also tells of folders that hold
	// nothing at all, with no files. An error of fn ends the sweep and is
	// returned as it is. It goes no faster than fn, so that little of what was
	// listed waits for it. A remote that cannot do it says ErrUnsupported
	// before the first folder. In memory are the files of a few folders, or of
	// one first folder of hashes.
	Sweep(ctx context.Context, fn func(folder string, files []Info) error) error
}
