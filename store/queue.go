package store

import (
	"container/heap"
	"slices"
	"strings"
	"sync"
	"time"

	"sstatefs/sstate"
)

// op is what an entry does to the remote.
type op string

const (
	opCreate  op = "create"  // the first writer wins
	opReplace op = "replace" // the last one does
	opRemove  op = "remove"
)

// entryState is where an entry stands.
type entryState int

const (
	waiting entryState = iota // for its turn, or for its next try
	sending
	parked // a signature whose archive is not on the remote yet
	held   // refused by the remote for good
	gone   // sent or dropped
)

// entry is one publish or removal that the remote does not have yet. Its file
// is QUEUE/NUMBER-OP[-EXTRAPATH]/NAME, a hard link to the object (empty for a
// removal).
type entry struct {
	seq    uint64 // its place among all entries of this daemon
	folder string // NUMBER-OP[-EXTRAPATH]; of two entries of a key the later has the higher number
	key    string
	op     op
	size   int64 // bytes
	ino    uint64
	queued time.Time

	tried  chan struct{} // closed when the first try ended, however
	newer  bool          // a removal that met what another host has published since
	met    bool          // a create that found its own bytes on the remote
	begun  time.Time     // a removal: when the last try began
	missed time.Time     // a signature: when its archive was first found to be missing on the remote
	was    time.Time     // a removal: the remote's time of what was on its way before it, and is to go

	// Guarded by queue.mu.
	state     entryState
	attempts  int
	notBefore time.Time
	reason    string // of the last failure
	answered  bool   // tried is closed
	blessed   bool   // a signature whose archive we have sent while it waited
	of        int64  // the bytes of that archive
	hurried   bool   // somebody waits for the queue to be empty
	doomed    bool   // a signature whose archive lost while it was looked at
	tries     uint64 // ended tries, for flush
	waited    bool   // for a remote that was away, or for the next daemon

	retried bool // it was held, and is tried again

	over bool // a removal that the remote has carried out; guarded by its key lock
}

// queue orders entries: by key strictly, between keys by time of next try and
// age. The files are the truth; this is their table of contents.
type queue struct {
	layout layout
	now    func() time.Time
	wake   chan struct{} // buffered by one: something may be ready

	mu     sync.Mutex
	seq    uint64                   // the last number given to an entry or a folder
	shared map[string]*sharedFolder // by kind, where new entries go
	chains map[string][]*entry      // per key, oldest first; without held ones
	held   map[uint64]*entry
	heldBy map[string]int // number of held entries per key

	heldBytes int64
	ready     readyHeap      // heads of chains that wait for a try
	hidden    map[uint64]int // names of an inode that are not in the mount
	// changing are the inodes whose names in the queue come or go just now:
	// hidden and the file system do not agree on them. changes counts these
	// changes, for 1,024 groups of inodes.
	changing map[uint64]int
	changes  [1024]uint32
	bytes    int64
	count    int64
	ended    uint64 // chains that came to their end
	added    uint64 // entries since the start
}

func newQueue(l layout, now func() time.Time) *queue {
	return &queue{
		layout: l, now: now, wake: make(chan struct{}, 1), shared: map[string]*sharedFolder{},
		chains: map[string][]*entry{}, held: map[uint64]*entry{}, heldBy: map[string]int{}, hidden: map[uint64]int{}, changing: map[uint64]int{},
	}
}

// nextSeq gives a new entry its number.
func (q *queue) nextSeq() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seq++
	return q.seq
}

// pass makes the next numbers greater than one that was used: new entries come
// after those of the last daemon.
func (q *queue) pass(seq uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seq = max(q.seq, seq)
}

// add takes an entry whose file exists. Older held entries of the same key are
// pointless now and returned, to be erased.
func (q *queue) add(e *entry) (stale []*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seq = max(q.seq, e.seq)
	if q.heldBy[e.key] > 0 {
		for _, h := range q.held {
			if h.key == e.key && h.seq < e.seq {
				stale = append(stale, h)
				q.unhold(h)
				q.hide(h.ino, -1)
			}
		}
	}
	q.hide(e.ino, 1)
	q.count++
	q.added++
	q.bytes += e.size
	q.chains[e.key] = append(q.chains[e.key], e)
	if len(q.chains[e.key]) == 1 {
		q.push(e)
	}
	return stale
}

// hide counts names of an inode that are not in the mount. Called with mu held.
func (q *queue) hide(ino uint64, n int) {
	if ino == 0 {
		return
	}
	if q.hidden[ino] += n; q.hidden[ino] <= 0 {
		delete(q.hidden, ino)
	}
}

// hiddenNames is how many names of an inode are not in the mount.
func (q *queue) hiddenNames(ino uint64) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.hidden[ino]
}

// hidePinned counts one more or one less name outside the mount.
func (q *queue) hidePinned(ino uint64, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hide(ino, n)
}

// push makes the head of a chain ready. A signature waits for its archive.
// Called with mu held.
func (q *queue) push(e *entry) {
	e.state = waiting
	if strings.HasSuffix(e.key, ".sig") && e.op != opRemove && len(q.chains[sstate.ArchivePath(e.key)]) > 0 {
		e.state = parked
		return
	}
	heap.Push(&q.ready, e)
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take gives the next entry to send, or how long to wait for it; forever is a
// negative time.
func (q *queue) take() (*entry, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 {
		return nil, -1
	}
	if d := q.ready[0].notBefore.Sub(q.now()); d > 0 {
		return nil, d
	}
	e := heap.Pop(&q.ready).(*entry)
	e.state = sending
	return e, 0
}

// finish takes out an entry that was sent or is not to be sent any more.
func (q *queue) finish(e *entry) {
	q.mu.Lock()
	q.retire(e)
	q.mu.Unlock()
}

// retire takes an entry out of its chain for good. Called with mu held.
func (q *queue) retire(e *entry) {
	q.remove(e)
	e.state = gone
	q.hide(e.ino, -1)
	q.answer(e)
}

// remove takes an entry out of its chain and lets the next one in. Called with
// mu held.
func (q *queue) remove(e *entry) {
	chain := q.chains[e.key]
	for i, c := range chain {
		if c != e {
			continue
		}
		chain = append(chain[:i:i], chain[i+1:]...)
		q.count--
		q.bytes -= e.size
		if e.state == waiting && i == 0 {
			q.ready.drop(e)
		}
		if i == 0 && len(chain) > 0 {
			defer q.push(chain[0])
		}
		break
	}
	if len(chain) > 0 {
		q.chains[e.key] = chain
		return
	}
	delete(q.chains, e.key)
	q.ended++
	if sigs := q.chains[e.key+".sig"]; len(sigs) > 0 && sigs[0].state == parked {
		q.push(sigs[0])
	}
}

// answer frees who waits for the first try. Called with mu held.
func (q *queue) answer(e *entry) {
	e.tries++
	if !e.answered {
		e.answered = true
		close(e.tried)
	}
}

// retry puts an entry back for a try after delay.
func (q *queue) retry(e *entry, delay time.Duration, reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e.attempts++
	e.notBefore, e.reason = q.now().Add(delay), reason
	q.answer(e)
	q.push(e)
}

// delay notes that all entries wait for a remote that is away.
func (q *queue) delay() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, chain := range q.chains {
		for _, e := range chain {
			e.waited = true
		}
	}
}

// isLate reports whether an entry did not go at once.
func (q *queue) isLate(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return e.waited || e.attempts > 0 || q.now().Sub(e.queued) > lateRemoval
}

// pending reports whether a key has entries that are not sent, held included.
func (q *queue) pending(key string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.chains[key]) > 0 || q.heldBy[key] > 0
}

// size is the number of bytes that are not sent yet.
func (q *queue) size() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// unsent is the number of entries of a key that are not on their way.
func (q *queue) unsent(key string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, e := range q.chains[key] {
		if e.state != sending {
			n++
		}
	}
	return n
}

// removal is the first removal of a key that is not carried out, nil if there is
// none.
func (q *queue) removal(key string) *entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.chains[key] {
		if e.op == opRemove {
			return e
		}
	}
	return nil
}

// firstTries are the channels that close when the entries of a key were tried.
func (q *queue) firstTries(key string) (tries []chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.chains[key] {
		tries = append(tries, e.tried)
	}
	return tries
}

// cancel takes out all entries of a key that are not on their way and returns
// them, to be erased.
func (q *queue) cancel(key string) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []*entry
	for _, e := range slices.Clone(q.chains[key]) {
		if e.state == sending {
			continue
		}
		q.retire(e)
		out = append(out, e)
	}
	return out
}

// hurry lets all entries be tried at once. It gives what is in the queue, with how
// many tries of each have ended. flush says that somebody waits for the queue to be
// empty.
func (q *queue) hurry(flush bool) map[*entry]uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.ready {
		e.notBefore, e.hurried = time.Time{}, flush
	}
	heap.Init(&q.ready)
	all := map[*entry]uint64{}
	for _, chain := range q.chains {
		for _, e := range chain {
			all[e] = e.tries
		}
	}
	q.poke()
	return all
}

// status tells what is in the queue.
func (q *queue) status() QueueStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := QueueStatus{Objects: q.count, Bytes: q.bytes, Held: int64(len(q.held))}
	var oldest time.Time
	for _, chain := range q.chains {
		for _, e := range chain {
			if oldest.IsZero() || e.queued.Before(oldest) {
				oldest = e.queued
			}
			if e.reason != "" && s.LastErr == "" {
				s.LastErr = e.reason
			}
		}
	}
	if !oldest.IsZero() {
		s.OldestSeconds = max(0, q.now().Sub(oldest).Seconds())
	}
	for _, e := range q.held {
		s.HeldReason = e.reason
		break
	}
	return s
}
