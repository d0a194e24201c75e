package webdav

import (
	"context"
	"net/http"
	"sync"

	"sstatefs/remote"
)

// leadLimit is the size up to which a pair takes the MKCOL of its folder along,
// in bytes: where the folder cannot be made the body is sent for nothing. Above
// it a round trip is little beside the transfer.
const leadLimit = 4 << 20

// A leading is a folder that is made by a MKCOL ahead of a pair, on the same
// connection. What follows does not depend on its answer: it says no more than
// the one to the PUT. Meanwhile nobody else makes the folder.
type leading struct {
	d      *DAV
	folder string
	end    func() // lets others make it; may be called twice
}

// leadInto is prepare for a pair. It gives the folder that prepare would make
// and whose parent is known to be there, or nil.
func (d *DAV) leadInto(ctx context.Context, folder string, size int64) (*leading, error) {
	if folder == "" || size > leadLimit || !d.isToMake(folder, size) {
		return nil, d.prepare(ctx, folder, size)
	}
	above, _ := remote.Key(folder).Split()
	if d.folders.lacks(above) {
		if err := d.makeFolder(ctx, above); err != nil {
			return nil, err
		}
	}
	if !d.folders.has(above) {
		return nil, d.makeFolder(ctx, folder)
	}
	unlock, err := d.making.Alone(ctx, remote.Key(folder))
	if err != nil {
		return nil, err
	}
	if d.folders.has(folder) {
		unlock()
		return nil, nil
	}
	return &leading{d: d, folder: folder, end: sync.OnceFunc(unlock)}, nil
}

func (l *leading) request() request { return request{method: "MKCOL", path: folderPath(l.folder)} }

// heard takes the answer.
func (l *leading) heard(code int) {
	switch {
	case code == http.StatusCreated:
		l.d.folders.listed(l.folder) // it is empty
	case isMade(code):
		l.d.folders.add(l.folder)
	}
	l.end()
}
