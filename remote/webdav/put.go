package webdav

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"sstatefs/remote"
)

// directLimit is the size up to which a new object goes by one conditional PUT
// where such is whole, but no pair gets through, in bytes.
//
// Apache looks whether the name is free when the PUT begins and never again, so
// that of two hosts whose PUTs overlap both are told that they were first, and
// each believes that its .sig belongs to what is there. No later look helps: the
// other's PUT may end at any time. The limit keeps that to the time of a short
// transfer, for which it saves a round trip; above it the MOVE costs little
// beside the transfer. A pair costs no round trip more than the PUT and looks
// when all bytes are there, see putPair: it goes first whatever the size.
const directLimit = 1 << 20

// folderTries bounds how often a Put makes its folder again that a cleaner has
// removed.
const folderTries = 5

// errFolder marks a key that is a folder on the server.
var errFolder = errors.New("a folder has this name")

// Put see remote.Remote.
func (d *DAV) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	if err := d.begin(ctx, "put", key); err != nil {
		return err
	}
	if key.IsTemporary() {
		return unsupported("put", key, "the name is reserved for temporaries")
	}
	if err := d.changeable("put", key); err != nil {
		return err
	}
	err := d.put(ctx, key, &upload{ctx: ctx, source: src}, opt)
	if errors.Is(err, errFolder) {
		return unsupported("put", key, errFolder.Error())
	}
	if err != nil {
		return d.fail(ctx, "put", key, err)
	}
	return nil
}

// put takes the shortest way that keeps the promises on this server.
func (d *DAV) put(ctx context.Context, key remote.Key, u *upload, opt remote.PutOptions) error {
	k := d.knows()
	switch {
	case opt.Refresh:
		return d.refresh(ctx, key, u, opt)
	case opt.Create && k.paired():
		if done, err := d.putPair(ctx, key, u, opt); done || err != nil {
			return err
		}
	case k.whole && !opt.Create, k.direct() && u.source.Size() <= directLimit:
		return d.putDirect(ctx, key, u, opt)
	}
	return d.putAside(ctx, key, u, opt)
}

// putDirect sends an object under its own name. The lock makes creates of one
// key in this process take turns: the second is refused. A replacement, which
// may be large, has no need of it where a touch heeds etags.
func (d *DAV) putDirect(ctx context.Context, key remote.Key, u *upload, opt remote.PutOptions) error {
	if opt.Create || !d.knows().ifs {
		unlock, err := d.locks.Alone(ctx, key)
		if err != nil {
			return err
		}
		defer unlock()
	}
	header := d.putHeader(opt)
	if opt.Create {
		header["If-None-Match"] = "*"
	}
	return d.putInto(ctx, key, u, header)
}

// putHeader says the time, where the server takes it from there.
func (d *DAV) putHeader(opt remote.PutOptions) map[string]string {
	if !d.knows().timeHeader || opt.ModTime.IsZero() {
		return map[string]string{}
	}
	return timeHeader(opt.ModTime)
}

// putInto sends a PUT, and makes its folder when the server lacks that: most
// folders are there.
func (d *DAV) putInto(ctx context.Context, key remote.Key, u *upload, header map[string]string) error {
	folder, _ := key.Split()
	if err := d.prepare(ctx, folder, u.source.Size()); err != nil {
		return err
	}
	var last error
	for range folderTries {
		r, err := d.send(ctx, key, u, header)
		switch {
		case err != nil:
			return err
		case r.code == http.StatusOK || r.code == http.StatusCreated || r.code == http.StatusNoContent:
			d.folders.add(folder)
			return nil
		case r.code != http.StatusConflict && !absent(r.code):
			return d.refused(r.code, r.header)
		}
		last = &statusError{code: http.StatusConflict, hint: "its folder vanishes again and again"}
		d.folders.forget(folder)
		if err := d.makeFolder(ctx, folder); err != nil {
			return err
		}
	}
	if e, ok, err := d.look(ctx, string(key)); err == nil && ok && e.folder {
		return errFolder
	}
	return last
}

// send sends a source once, or twice when the connection had been closed. A
// PUT with a condition is not sent twice: the second would meet the first.
func (d *DAV) send(ctx context.Context, key remote.Key, u *upload, header map[string]string) (reply, error) {
	if u.source.Size() == 0 {
		if err := u.checkEmpty(); err != nil {
			return reply{}, err
		}
	}
	_, conditional := header["If-None-Match"]
	r, err := d.client.call(ctx, request{method: http.MethodPut, path: string(key), header: header,
		open: u.open, size: u.source.Size(), once: conditional})
	if own := u.err(); own != nil {
		return reply{}, own
	}
	return r, err
}

// putAside sends an object under a temporary name in its folder and moves it:
// a MOVE into a missing folder is an error of many kinds.
func (d *DAV) putAside(ctx context.Context, key remote.Key, u *upload, opt remote.PutOptions) error {
	temporary := temporaryFor(key)
	err := d.sendUnless(ctx, key, temporary, u, opt)
	if err == nil {
		err = d.commit(ctx, temporary, key, u.source.Size(), opt)
	}
	if err != nil {
		d.tidy(ctx, temporary)
	}
	return err
}

func temporaryFor(key remote.Key) remote.Key {
	folder, _ := key.Split()
	return remote.Join(folder, remote.NewTemporary())
}

// commit gives a temporary of size bytes its name.
func (d *DAV) commit(ctx context.Context, temporary, key remote.Key, size int64, opt remote.PutOptions) error {
	unlock, err := d.locks.Alone(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	overwrite := "T"
	if opt.Create {
		if overwrite = "F"; !d.knows().exclusive {
			if err := d.unlessThere(ctx, key, opt); err != nil {
				return err
			}
		}
	}
	return d.move(ctx, temporary, key, size, map[string]string{"Overwrite": overwrite})
}

// unlessThere looks at the key: a create does not want it to be there, and a
// MOVE onto a folder would remove that with all that is in it.
func (d *DAV) unlessThere(ctx context.Context, key remote.Key, opt remote.PutOptions) error {
	e, ok, err := d.look(ctx, string(key))
	switch {
	case err != nil:
		return err
	case ok && e.folder:
		return errFolder
	case ok && opt.Create:
		return &statusError{code: http.StatusPreconditionFailed}
	}
	return nil
}

// sendUnless sends the source to the temporary, and looks at the key meanwhile:
// a large body is not sent for nothing. Small new objects are sent without a
// look, for MOVE looks anyway.
func (d *DAV) sendUnless(ctx context.Context, key, temporary remote.Key, u *upload, opt remote.PutOptions) error {
	header := d.putHeader(opt)
	if opt.Create && u.source.Size() <= lookLimit {
		return d.putInto(ctx, temporary, u, header)
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var looker sync.WaitGroup
	var verdict error
	looker.Go(func() {
		if verdict = d.unlessThere(ctx, key, opt); verdict != nil {
			stop()
		}
	})
	err := d.putInto(sending, temporary, u, header)
	looker.Wait()
	if verdict != nil {
		return verdict
	}
	return err
}

// tidy removes a temporary. A server that writes as it receives may make it
// once more when it notices that the PUT broke, and any may make it that has the
// whole body of a caller who did not await the answer: that is waited for. What
// stays nevertheless is a leftover for the cleaner.
func (d *DAV) tidy(ctx context.Context, temporary remote.Key) {
	mayCome := ctx.Err() != nil || !d.knows().whole
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyLimit)
	defer cancel()
	r, err := d.unlocked(ctx, deleteRequest(string(temporary)))
	for n := 0; n < tidyTries && err == nil && absent(r.code) && mayCome; n++ {
		pause(ctx, tidyPause<<n)
		r, err = d.unlocked(ctx, deleteRequest(string(temporary)))
	}
}
