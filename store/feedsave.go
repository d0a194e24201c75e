package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sstatefs/remote/failpoint"
)

// feedPosition is from where a later daemon reads on, for the index that is
// saved beside it: CACHE/feed/position. The index may be newer, never older:
// news that is heard twice does nothing.
type feedPosition struct {
	valid  bool
	from   slot
	listed time.Time
}

const positionFormat = "sstatefs feed position 1\nfrom %d\nlisted %d\n"

// position is to be taken before the index is saved that it is for.
func (f *feed) position() feedPosition {
	if f == nil || f.index == nil {
		return feedPosition{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := feedPosition{f.valid, f.from, f.listed}
	if f.isSpoilt() || f.asking || len(f.unsure) > 0 {
		p.listed = time.Time{} // the next daemon lists before it relies on what is saved
	}
	return p
}

// save keeps a position, after its index was saved.
func (f *feed) save(p feedPosition) error {
	if f == nil || f.index == nil || !p.valid {
		return nil
	}
	text := fmt.Sprintf(positionFormat, p.from, p.listed.Unix())
	err := replaceFile(f.positionFile(), []byte(text))
	failpoint.Pass("feed.saved")
	return err
}

func (f *feed) positionFile() string { return f.journal.dir + "/position" }

// load reads what save kept. trusted tells that the index was loaded as it was
// saved: after a power cut parts of it may be older than the position.
func (f *feed) load(trusted bool) {
	if f == nil || f.index == nil {
		return
	}
	data, err := os.ReadFile(f.positionFile())
	if err == nil && !trusted {
		err = os.Remove(f.positionFile())
		data = nil
	}
	var from, listed int64
	if err != nil || !f.index.isWhole() {
		return
	}
	if n, err := fmt.Sscanf(string(data), positionFormat, &from, &listed); err != nil || n != 2 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.valid, f.from, f.listed = true, slot(from), time.Unix(listed, 0)
	if now := f.now(); f.listed.After(now) { // the clock was set back
		f.listed = now
	}
}

// resume brings a saved index up to date without listing the remote. It reports
// whether that was enough.
func (f *feed) resume(ctx context.Context) bool {
	if f == nil || f.index == nil {
		return false
	}
	f.restore()
	if err := f.refresh(ctx); err != nil && !errors.Is(err, errFeedWaits) {
		return false
	}
	f.index.resumed()
	return true
}
