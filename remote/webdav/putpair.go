package webdav

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/transport"
)

// lookLimit is the size from which it is looked whether a key is taken while
// its object is sent, so that no large body is sent for nothing, in bytes. It is
// rare: who publishes has missed the object before.
const lookLimit = 4 << 20

// putPair makes a new object by a PUT to a temporary and the MOVE that gives it
// its name, sent one behind the other: one round trip for any size. MOVE looks
// whether the name is free when all bytes are there, and then renames; only
// creators whose MOVEs meet within that, less than a millisecond, can both be
// told that they were first.
//
// A MOVE behind a PUT that failed finds nothing to move, as the name is used for
// one PUT only and that leaves nothing, see known.spares. A pair that was lost
// with an idle connection goes once more, under another name. What that finds
// there may be what the first has made: it is for the caller to compare. done is
// false if it has to be tried in two steps: no such pair gets through, or the
// server wants to know who asks.
func (d *DAV) putPair(ctx context.Context, key remote.Key, u *upload, opt remote.PutOptions) (done bool, err error) {
	if u.source.Size() == 0 {
		if err := u.checkEmpty(); err != nil {
			return true, err
		}
	}
	folder, _ := key.Split()
	lead, err := d.leadInto(ctx, folder, u.source.Size())
	if err != nil {
		return false, err
	}
	p := &pairing{d: d, key: key, u: u, opt: opt}
	var stale error
	for range folderTries {
		temporary := temporaryFor(key)
		first, second, err := p.send(ctx, temporary, lead)
		lead = nil
		switch {
		case errors.Is(err, transport.ErrNoPairs):
			return false, nil
		case errors.Is(err, transport.ErrStale) && stale == nil:
			stale = err
			d.tidy(ctx, temporary)
			continue
		case err != nil:
		case first.code/100 == 2:
			d.folders.add(folder)
			err = p.end(ctx, temporary, second)
			if stale != nil && second.code == http.StatusPreconditionFailed {
				err = stale
			}
		case first.code == http.StatusUnauthorized, first.code/100 == 3:
			return false, nil
		case first.code == http.StatusConflict, absent(first.code):
			d.folders.forget(folder)
			if err := d.makeFolder(ctx, folder); err != nil {
				return true, err
			}
			continue
		default:
			err = d.refused(first.code, first.header)
		}
		if err != nil {
			d.tidy(ctx, temporary)
		}
		return true, err
	}
	return false, nil // who takes two steps knows what to say
}

// A pairing is one Put that goes as a pair.
type pairing struct {
	d   *DAV
	key remote.Key
	u   *upload
	opt remote.PutOptions
}

// send sends a pair and gives its answers, behind the folder that is to be made,
// if there is one. An answer that did not come has no code. The lock is taken
// when the body is sent: a removal must not wait for a transfer.
func (p *pairing) send(ctx context.Context, temporary remote.Key, lead *leading) (first, second reply, err error) {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	unlock := func() {}
	defer func() { unlock() }()
	var looker sync.WaitGroup
	var verdict error
	if p.u.source.Size() > lookLimit {
		looker.Go(func() {
			if verdict = p.d.unlessThere(ctx, p.key, p.opt); verdict != nil {
				stop()
			}
		})
	}
	pair := p.pair(sending, temporary)
	pair.Between = func() error {
		looker.Wait() // it must not find what the MOVE makes
		if err := cmp.Or(p.u.err(), verdict); err != nil {
			return err
		}
		release, err := p.d.locks.Alone(sending, p.key)
		if err == nil {
			unlock = release
		}
		return err
	}
	if lead != nil {
		defer lead.end()
		pair.Ahead = func() (*http.Request, error) { return p.d.client.authorized(sending, lead.request()) }
		pair.Heard = func(answer *http.Response) { lead.heard(answer.StatusCode) }
	}
	first, second, err = p.d.client.pair(sending, pair)
	looker.Wait()
	if own := p.u.err(); own != nil {
		return first, second, own
	}
	if verdict != nil {
		return first, second, verdict
	}
	return first, second, err
}

// pair is the two requests.
func (p *pairing) pair(ctx context.Context, temporary remote.Key) transport.Pair {
	put := request{method: http.MethodPut, path: string(temporary), header: p.d.putHeader(p.opt), open: p.u.open, size: p.u.source.Size()}
	move := p.d.moveRequest("MOVE", string(temporary), string(p.key), map[string]string{"Overwrite": "F"})
	return p.d.client.pairOf(ctx, put, move)
}

// end reads the answer to the MOVE behind a PUT that succeeded. When there is
// none, the temporary tells: it was there, so that its absence means that it was
// moved, if the object is there. What the server could not do at once is done as
// if it came alone.
func (p *pairing) end(ctx context.Context, temporary remote.Key, answer reply) error {
	switch {
	case moved(answer.code):
		return nil
	case answer.code == http.StatusPreconditionFailed:
		return p.d.refused(answer.code, answer.header)
	}
	_, there, err := p.d.look(ctx, string(temporary))
	switch {
	case err != nil:
		return err
	case there:
		return p.d.commit(ctx, temporary, p.key, p.u.source.Size(), remote.PutOptions{Create: true})
	case answer.code == 0:
		return p.d.arrived(ctx, p.key, p.u.source.Size())
	}
	return errTemporaryGone
}

// pairOf is a pair of two requests to the place.
func (c *client) pairOf(ctx context.Context, a, b request) transport.Pair {
	return transport.Pair{
		First:  func() (*http.Request, error) { return c.authorized(ctx, a) },
		Second: func() (*http.Request, error) { return c.authorized(ctx, b) },
	}
}

// pair sends two requests one behind the other, see transport.Pairs.
func (c *client) pair(ctx context.Context, pair transport.Pair) (first, second reply, err error) {
	answerA, answerB, err := c.pairs.Do(ctx, pair)
	if answerA != nil {
		c.clock.Hear(answerA.Header, time.Now())
		first = replyOf(answerA)
	}
	if answerB != nil {
		second = replyOf(answerB)
	}
	return first, second, err
}

// breakOff sends a request whose body ends early and gives the code of the
// answer, 0 if there is none.
func (c *client) breakOff(ctx context.Context, r request) (int, error) {
	req, err := c.authorized(ctx, r)
	if err != nil {
		return 0, err
	}
	answer, err := c.pairs.Break(ctx, req)
	if err != nil || answer == nil {
		return 0, err
	}
	return answer.StatusCode, nil
}

// authorized makes a request with what the server asked for last, if it did.
func (c *client) authorized(ctx context.Context, r request) (*http.Request, error) {
	req, err := newRequest(ctx, r, c.place.Load().at(r.path))
	if err != nil || c.authority == nil {
		return req, err
	}
	return req, c.authority.authorize(c.authority.fresh(), req)
}
