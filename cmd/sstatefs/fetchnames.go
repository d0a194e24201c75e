package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"

	"sstatefs/ctl/upkeep"
	"sstatefs/sstate"
	"sstatefs/store"
)

// nameLimit bounds a line of names, in bytes. An event is shorter.
const nameLimit = 64 << 10

// nameReader reads names of objects, one a line, in any form that this program
// prints them.
type nameReader struct {
	mountpoint string
	filter     upkeep.Filter
}

// read hands names on until the input ends or ctx does.
func (r *nameReader) read(ctx context.Context, in io.Reader, names chan<- string) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, nameLimit)
	for lines.Scan() {
		key, ok := r.key(lines.Text())
		if !ok {
			continue
		}
		select {
		case names <- key:
		case <-ctx.Done():
			return nil
		}
	}
	return lines.Err()
}

// key is the key that a line names; not ok is one without any, or with one that
// is not wanted. What cannot be made sense of is a name that the remote does
// not have.
func (r *nameReader) key(line string) (string, bool) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "{") {
		line = eventKey(line)
	} else if fields := strings.Fields(line); len(fields) > 0 {
		line = fields[len(fields)-1] // list prints age and size before it
	}
	if line == "" {
		return "", false
	}
	key := strings.TrimPrefix(strings.TrimPrefix(line, r.mountpoint+"/"), "./")
	if n, ok := sstate.ParseName(key); ok { // EXTRAPATH is not in it: then it is not found
		key = n.Path()
	}
	n, ok := sstate.ParsePath(key)
	return key, !ok || r.filter.Picks(n)
}

// eventKey is the key of an event that says that the object is there, or of
// any other object of JSON.
func eventKey(line string) string {
	var event struct {
		Kind store.EventKind `json:"event"`
		Key  string          `json:"key"`
	}
	if json.Unmarshal([]byte(line), &event) != nil {
		return ""
	}
	switch event.Kind {
	case store.EventMiss, store.EventTrim, store.EventRemove, store.EventWarning:
		return ""
	}
	return event.Key
}
