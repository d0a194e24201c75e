package fs

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"time"
)

// notifier tells the kernel to forget names. It is one goroutine that holds no
// lock: the kernel takes the lock of the folder, which a request that waits for
// us may hold.
type notifier struct {
	mu      sync.Mutex
	cond    *sync.Cond
	pending map[string][]chan struct{} // path to who waits for it
	order   []string
	wrong   []*fileNode // pages of these are to be forgotten
	closed  bool
	done    chan struct{}
}

func newNotifier() *notifier {
	n := &notifier{pending: map[string][]chan struct{}{}, done: make(chan struct{})}
	n.cond = sync.NewCond(&n.mu)
	return n
}

// add queues a path. wait, if not nil, is closed when it has been sent.
func (n *notifier) add(path string, wait chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		if wait != nil {
			close(wait)
		}
		return
	}
	waiters, queued := n.pending[path]
	if !queued {
		n.order = append(n.order, path)
	}
	if wait != nil {
		waiters = append(waiters, wait)
	}
	n.pending[path] = waiters
	n.cond.Signal()
}

// maxOffered is how many names may wait before those are left out that the
// kernel knows as missing at most. It forgets these within seconds by itself,
// and half a million may appear at once.
const maxOffered = 10_000

// offer is add for a name that the kernel does not know as anything there.
func (n *notifier) offer(path string) {
	n.mu.Lock()
	full := len(n.order) >= maxOffered
	n.mu.Unlock()
	if !full {
		n.add(path, nil)
	}
}

// run sends until close.
func (n *notifier) run(send func(path string)) {
	defer close(n.done)
	for {
		n.mu.Lock()
		for len(n.order) == 0 && len(n.wrong) == 0 && !n.closed {
			n.cond.Wait()
		}
		if len(n.wrong) > 0 && !n.closed {
			node := n.wrong[0]
			n.wrong = n.wrong[1:]
			n.mu.Unlock()
			_ = node.NotifyContent(0, 0) // ENOENT: it had forgotten it
			continue
		}
		if len(n.order) == 0 {
			n.mu.Unlock()
			return
		}
		path := n.order[0]
		n.order = n.order[1:]
		waiters := n.pending[path]
		delete(n.pending, path)
		closed := n.closed
		n.mu.Unlock()
		if !closed {
			send(path)
		}
		for _, w := range waiters {
			close(w)
		}
	}
}

// close ends run and waits for it.
func (n *notifier) close() {
	n.mu.Lock()
	n.closed = true
	n.cond.Signal()
	n.mu.Unlock()
	<-n.done
}

// changed is what the store calls when a name means something else by itself.
// The kernel asks for a path name by name: if it does not know a folder above,
// what it may hold is that this one is missing.
func (st *state) changed(path string) {
	n := st.root
	for i, c := range path + "/" {
		if c != '/' {
			continue
		}
		child := n.GetChild(baseOf(path[:i]))
		if child == nil {
			st.notes.offer(path[:i])
			return
		}
		switch node := child.Operations().(type) {
		case *dirNode:
			n = node
		case *fileNode:
			st.disown(node, path)
		}
	}
	st.notify(path)
}

// disown takes a name from a node, unless that is what the name stands for
// by now: the kernel may just have looked it up. It waits for nobody; a node that
// loses its name for nothing is looked up once more.
func (st *state) disown(node *fileNode, path string) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if e, err := st.store.Stat(ctx, path); err != nil || !node.isSurely(e) {
		node.unname(path)
	}
}

// notify makes the kernel ask for a name again, soon.
func (st *state) notify(path string) { st.notes.add(path, nil) }

// notifyWait bounds how long a handler waits for a notification: the folder may
// be locked by a request that takes its time.
const notifyWait = time.Second

// notifyNow is notify, and waits for it.
func (st *state) notifyNow(path string) {
	wait := make(chan struct{})
	st.notes.add(path, wait)
	t := time.NewTimer(notifyWait)
	defer t.Stop()
	select {
	case <-wait:
	case <-t.C:
	}
}

// send tells the kernel. It is called by the notifier alone. With the last
// object of a folder the folder goes too.
func (st *state) send(path string) {
	for {
		up := parentOf(path)
		dir := st.find(up)
		if dir == nil {
			return
		}
		_ = dir.NotifyEntry(baseOf(path)) // ENOENT: it had forgotten it
		if up == "" || !st.vanished(dir, up) {
			return
		}
		path = up
	}
}

// vanished reports whether a folder that existed by its objects does so no more.
// What would have to be waited for does not count: to ask the kernel once too
// often does no harm.
func (st *state) vanished(dir *dirNode, path string) bool {
	if !dir.seen().Virtual {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := st.store.Stat(ctx, path)
	return errors.Is(err, syscall.ENOENT)
}

// find is the node of a folder that the kernel knows, or nil.
func (st *state) find(path string) *dirNode {
	n := st.root
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		child := n.GetChild(name)
		if child == nil {
			return nil
		}
		d, ok := child.Operations().(*dirNode)
		if !ok {
			return nil
		}
		n = d
	}
	return n
}

func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return ""
}

func baseOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
