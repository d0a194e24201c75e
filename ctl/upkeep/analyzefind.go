package upkeep

import (
	"container/list"
	"context"
	"errors"
	"sync"

	"sstatefs/remote"
	"sstatefs/sstate"
	"sstatefs/sstate/siginfo"
)

const (
	// signatureRoom bounds the signatures that are kept, by an estimate of
	// their memory in bytes.
	signatureRoom = 32 << 20

	// folderRoom bounds the folders whose listing is kept.
	folderRoom = 10_000
)

// finder reads signatures and finds those of dependencies. What was read last
// is kept: tasks share their dependencies.
type finder struct {
	a *analysis

	mu      sync.Mutex // held over no I/O
	kept    map[signatureID]*list.Element
	order   *list.List // of *keptSignature, used last first
	size    int64
	folders map[string][]located // signatures of folders that were listed
}

type signatureID struct {
	from Getter
	key  remote.Key
}

// keptSignature is read by one and awaited by all others.
type keptSignature struct {
	id   signatureID
	done chan struct{}
	sig  *siginfo.Signature
	err  error
	size int64
}

func newFinder(a *analysis) *finder {
	return &finder{a: a, kept: map[signatureID]*list.Element{}, order: list.New(), folders: map[string][]located{}}
}

// read reads a signature, or gives the one that is kept.
func (f *finder) read(ctx context.Context, from Getter, key remote.Key) (*siginfo.Signature, error) {
	id := signatureID{from, key}
	f.mu.Lock()
	if e := f.kept[id]; e != nil {
		f.order.MoveToFront(e)
		k := e.Value.(*keptSignature)
		f.mu.Unlock()
		select {
		case <-k.done:
			return k.sig, k.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	k := &keptSignature{id: id, done: make(chan struct{})}
	f.kept[id] = f.order.PushFront(k)
	f.mu.Unlock()
	k.sig, k.err = readSignature(ctx, from, key)
	f.keep(k)
	close(k.done)
	return k.sig, k.err
}

// keep makes room for a signature. One that failed is not kept: another try may
// have more luck.
func (f *finder) keep(k *keptSignature) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k.err != nil {
		f.drop(k)
		return
	}
	k.size = memoryOf(k.sig)
	f.size += k.size
	for e := f.order.Back(); e != nil && f.size > signatureRoom; {
		old := e.Value.(*keptSignature)
		e = e.Prev()
		if old != k && old.size > 0 {
			f.drop(old)
		}
	}
}

// drop forgets a signature. Called with mu held.
func (f *finder) drop(k *keptSignature) {
	if e := f.kept[k.id]; e != nil && e.Value == any(k) {
		f.order.Remove(e)
		delete(f.kept, k.id)
		f.size -= k.size
	}
}

// memoryOf estimates what a signature takes, bytes.
func memoryOf(s *siginfo.Signature) int64 {
	const perEntry = 80 // headers, and the share of a map
	sum := 1000
	for name, value := range s.VarVals {
		sum += perEntry + len(name) + len(value.Text())
	}
	for name, deps := range s.GenDeps {
		sum += perEntry + len(name)
		for _, dep := range deps {
			sum += 16 + len(dep)
		}
	}
	for key, hash := range s.RunTaskHashes {
		sum += perEntry + 2*len(key) + len(hash)
	}
	return int64(sum + perEntry*(len(s.FileChecksums)+len(s.TaskDeps)))
}

// Find finds the signature of a dependency: in the source, among the
// candidates of the target, or in the folder of the target that its hash
// names. It is nil where there is none, or none that can be read.
func (f *finder) Find(ctx context.Context, key, hash string) (*siginfo.Signature, error) {
	dep, ok := siginfo.ParseDep(key)
	if !ok || len(hash) < len("hhhh") {
		return nil, nil
	}
	for _, pn := range dep.StoredAs() {
		if sig, err := f.find(ctx, pair{pn, dep.Task}, hash); sig != nil || err != nil {
			return sig, err
		}
	}
	return nil, nil
}

func (f *finder) find(ctx context.Context, p pair, hash string) (*siginfo.Signature, error) {
	if at, ok := f.a.sources.find(p, hash); ok {
		if sig, err := f.readFound(ctx, f.a.source, at.key); sig != nil || err != nil {
			return sig, err
		}
	}
	at, ok := f.a.targets.find(p, hash)
	if !ok {
		var err error
		if at, ok, err = f.search(ctx, p, hash); !ok || err != nil {
			return nil, err
		}
	}
	return f.readFound(ctx, f.a.t, at.key)
}

// readFound reads a signature, nil if it is gone or broken.
func (f *finder) readFound(ctx context.Context, from Getter, key remote.Key) (*siginfo.Signature, error) {
	sig, err := f.read(ctx, from, key)
	if errors.Is(err, remote.ErrNotExist) || errors.Is(err, siginfo.ErrBroken) {
		return nil, nil
	}
	return sig, err
}

// search lists the folders of the target where a signature can be.
func (f *finder) search(ctx context.Context, p pair, hash string) (located, bool, error) {
	for extra := range f.a.targets.extra {
		folder := sstate.Name{ExtraPath: extra, Hash: hash}.Dir()
		if !sstate.IsFolder(folder) {
			return located{}, false, nil
		}
		signatures, err := f.folder(ctx, folder)
		if err != nil {
			return located{}, false, err
		}
		for _, at := range signatures {
			if at.name.PN == p.pn && at.name.Task == p.task && at.name.Hash == hash {
				return at, true, nil
			}
		}
	}
	return located{}, false, nil
}

// folder gives the signatures in a folder of the target.
func (f *finder) folder(ctx context.Context, folder string) ([]located, error) {
	f.mu.Lock()
	found, ok := f.folders[folder]
	f.mu.Unlock()
	if ok {
		return found, nil
	}
	err := f.a.t.List(ctx, folder, func(info remote.Info) error {
		if n, ok := sstate.ParsePath(string(info.Key)); ok && n.Side == sstate.SideSiginfo {
			found = append(found, located{info.Key, n, info.ModTime})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.folders) >= folderRoom {
		clear(f.folders)
	}
	f.folders[folder] = found
	return found, nil
}
