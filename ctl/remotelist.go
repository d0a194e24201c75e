package ctl

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"sstatefs/remote"
)

// The verbs of the remote that give many lines.

func (s *remoteServer) list(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, a *answer) (any, error) {
		return done{}, s.remote.List(ctx, questionOf(r).Get("prefix"), a.info)
	})
}

func (s *remoteServer) leftovers(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, a *answer) (any, error) {
		lister, ok := s.remote.(remote.LeftoverLister)
		if !ok {
			return nil, s.lacks("leftovers")
		}
		return done{}, lister.Leftovers(ctx, a.info)
	})
}

// folders gives "TIME NAME" lines.
func (s *remoteServer) folders(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, a *answer) (any, error) {
		lister, ok := s.remote.(remote.FolderLister)
		if !ok {
			return nil, s.lacks("folders")
		}
		return done{}, lister.Folders(ctx, questionOf(r).Get("prefix"), func(f remote.Folder) error {
			return a.line(func(b []byte) []byte {
				return appendWord(append(appendTime(b, f.ModTime), ' '), f.Name)
			})
		})
	})
}

// names gives "1 NAME" for folders and "0 NAME" for objects.
func (s *remoteServer) names(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, a *answer) (any, error) {
		lister, ok := s.remote.(remote.NameLister)
		if !ok {
			return nil, s.lacks("names")
		}
		return done{}, lister.Names(ctx, questionOf(r).Get("prefix"), func(name string, folder bool) error {
			return a.line(func(b []byte) []byte { return appendWord(append(b, flagByte(folder), ' '), name) })
		})
	})
}

// uploads gives "TIME ID KEY" lines.
func (s *remoteServer) uploads(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, a *answer) (any, error) {
		lister, ok := s.remote.(remote.UploadLister)
		if !ok {
			return nil, s.lacks("uploads")
		}
		return done{}, lister.Uploads(ctx, func(key remote.Key, id string, started time.Time) error {
			return a.line(func(b []byte) []byte {
				b = appendWord(append(appendTime(b, started), ' '), id)
				return appendWord(append(b, ' '), key)
			})
		})
	})
}

// sweep gives "NUMBER FOLDER" and then the folder's files, "SIZE TIME NAME".
func (s *remoteServer) sweep(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, func(ctx context.Context, a *answer) (any, error) {
		sweeper, ok := s.remote.(remote.Sweeper)
		if !ok {
			return nil, s.lacks("sweep")
		}
		return done{}, sweeper.Sweep(ctx, func(folder string, files []remote.Info) error {
			err := a.line(func(b []byte) []byte {
				return appendWord(append(strconv.AppendInt(b, int64(len(files)), 10), ' '), folder)
			})
			for _, info := range files {
				_, base := info.Key.Split()
				info.Key = remote.Key(base)
				if err == nil {
					err = a.info(info)
				}
			}
			return err
		})
	})
}

func flagByte(yes bool) byte {
	if yes {
		return '1'
	}
	return '0'
}
