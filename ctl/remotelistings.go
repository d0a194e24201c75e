package ctl

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sstatefs/remote"
)

// The listings of a mountRemote.

// lines asks for a listing. What fn says of a line that cannot be read is an
// error of the way, every other of its errors is returned as it is.
func (r *mountRemote) lines(ctx context.Context, q ask, fn func(text string) error) error {
	q.method, q.stream = "GET", true
	a, err := r.send(ctx, q)
	if err != nil {
		return err
	}
	err = a.each(fn)
	if err == errGarbled { //nolint:errorlint // the very error: fn's own are its caller's
		return a.fail(err)
	}
	return err
}

func below(prefix string) url.Values { return url.Values{"prefix": {prefix}} }

// infos is lines for objects.
func (r *mountRemote) infos(ctx context.Context, q ask, fn func(remote.Info) error) error {
	return r.lines(ctx, q, func(text string) error {
		info, err := parseInfo(text)
		if err != nil {
			return err
		}
		if err := remote.Ended(ctx, q.op(), ""); err != nil {
			return err
		}
		return fn(info)
	})
}

// List see remote.Remote.
func (r *mountRemote) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	return r.infos(ctx, ask{verb: verbList, query: below(prefix)}, fn)
}

// Leftovers see remote.LeftoverLister.
func (r *mountRemote) Leftovers(ctx context.Context, fn func(remote.Info) error) error {
	return r.infos(ctx, ask{verb: verbLeftovers}, fn)
}

// Folders see remote.FolderLister.
func (r *mountRemote) Folders(ctx context.Context, prefix string, fn func(remote.Folder) error) error {
	return r.lines(ctx, ask{verb: verbFolders, query: below(prefix)}, func(text string) error {
		words, err := fields(text, 2)
		if err != nil {
			return err
		}
		t, timeErr := parseTime(words[0])
		name, nameErr := unescaped(words[1])
		if timeErr != nil || nameErr != nil {
			return errGarbled
		}
		return fn(remote.Folder{Name: string(name), ModTime: t})
	})
}

// Names see remote.NameLister.
func (r *mountRemote) Names(ctx context.Context, prefix string, fn func(name string, folder bool) error) error {
	return r.lines(ctx, ask{verb: verbNames, query: below(prefix)}, func(text string) error {
		words, err := fields(text, 2)
		if err != nil {
			return err
		}
		name, err := unescaped(words[1])
		if err != nil {
			return errGarbled
		}
		return fn(string(name), words[0] == "1")
	})
}

// Uploads see remote.UploadLister.
func (r *mountRemote) Uploads(ctx context.Context, fn func(key remote.Key, id string, started time.Time) error) error {
	return r.lines(ctx, ask{verb: verbUploads}, func(text string) error {
		words, err := fields(text, 3)
		if err != nil {
			return err
		}
		t, timeErr := parseTime(words[0])
		id, idErr := unescaped(words[1])
		key, keyErr := unescaped(words[2])
		if errors.Join(timeErr, idErr, keyErr) != nil {
			return errGarbled
		}
		return fn(key, string(id), t)
	})
}

// Sweep see remote.Sweeper.
func (r *mountRemote) Sweep(ctx context.Context, fn func(folder string, files []remote.Info) error) error {
	s := sweep{fn: fn}
	return r.lines(ctx, ask{verb: verbSweep}, s.line)
}

// A sweep gathers the files of a folder.
type sweep struct {
	fn     func(folder string, files []remote.Info) error
	folder string
	files  []remote.Info
	left   int // lines of this folder still to come
}

func (s *sweep) line(text string) error {
	if s.left == 0 {
		number, name, ok := strings.Cut(text, " ")
		n, err := strconv.Atoi(number)
		folder, nameErr := unescaped(name)
		if !ok || err != nil || nameErr != nil || n < 0 {
			return errGarbled
		}
		if n == 0 {
			return s.fn(string(folder), nil)
		}
		// Not the slice of before: that is fn's.
		s.folder, s.left, s.files = string(folder), n, make([]remote.Info, 0, min(n, deleteBatch))
		return nil
	}
	info, err := parseInfo(text)
	if err != nil {
		return err
	}
	info.Key = remote.Join(s.folder, string(info.Key))
	s.files = append(s.files, info)
	if s.left--; s.left > 0 {
		return nil
	}
	return s.fn(s.folder, s.files)
}
