package upkeep

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// RemoveOptions says what Remove removes.
type RemoveOptions struct {
	// Names are base names, paths below the root, or shell patterns of base
	// names (path.Match). An archive takes its companions along; a companion
	// goes alone.
	Names  []string
	DryRun bool // nothing goes, all else is the same

	OnRemoved func(remote.Info) // as in CleanOptions
}

// RemoveResult is what Remove did, or would do. The JSON keys are stable.
type RemoveResult struct {
	Remote   string    `json:"remote"`
	DryRun   bool      `json:"dry_run"`
	Complete bool      `json:"complete"` // false: it ended before its end
	Removed  CleanSums `json:"removed"`
	Failed   Sum       `json:"failed"` // could not be removed
	Reason   string    `json:"failed_reason,omitempty"`
	Unknown  []string  `json:"unknown"` // names of which nothing is there
}

// Check tells what is wrong with the options.
func (o RemoveOptions) Check() error {
	if len(o.Names) == 0 {
		return BadOptions("no names are given")
	}
	for _, name := range o.Names {
		if _, err := path.Match(path.Base(name), ""); err != nil {
			return BadOptions(fmt.Sprintf("pattern %q: %v", name, err))
		}
		if isPattern(name) && strings.Contains(name, "/") {
			return BadOptions(fmt.Sprintf("pattern %q: patterns are of base names, without folders", name))
		}
	}
	return nil
}

// isPattern tells a pattern from a name: no object's name holds these.
func isPattern(name string) bool { return strings.ContainsAny(name, `*?[\`) }

// Remove removes objects by name. A pattern needs one listing of all, a name
// one of its folder. What is no object is never removed. In memory are the
// objects of one folder, and the names.
//
// The result is right also with an error, which is BadOptions or one of the
// remote or of ctx.
func Remove(ctx context.Context, t *Target, o RemoveOptions, report Report) (RemoveResult, error) {
	r := &remover{t: t, o: o, report: report, matched: make(map[string]bool)}
	r.result = RemoveResult{Remote: t.String(), DryRun: o.DryRun, Unknown: []string{}}
	if err := o.Check(); err != nil {
		return r.result, err
	}
	err := r.all(ctx)
	r.result.Complete = err == nil
	if err == nil {
		for _, name := range o.Names {
			if !r.matched[name] {
				r.result.Unknown = append(r.result.Unknown, name)
			}
		}
	}
	return r.result, err
}

// A remover is one run of Remove.
type remover struct {
	t       *Target
	o       RemoveOptions
	report  Report
	queue   *removeQueue
	matched map[string]bool // names of which something is there
	result  RemoveResult    // counted by the queue until it is closed
}

// A wish is what is asked for of one folder: names, and patterns.
type wish struct {
	exact    map[string][]string // by base name: as it was typed
	patterns []string
}

// all finds what is asked for and removes it.
func (r *remover) all(ctx context.Context) error {
	wishes, patterns, err := r.sort(ctx)
	if err != nil {
		return err
	}
	r.queue = r.t.beginRemoving(ctx, r.o.DryRun,
		removeEvents{gone: r.gone, failed: func(info remote.Info) { r.result.Failed.add(info.Size) }})
	if len(patterns) > 0 {
		_, err = r.t.sweep(ctx, func(folder string, files []remote.Info) error {
			return r.take(files, wish{wishes[folder].exact, patterns})
		})
		wishes = nil
	}
	for folder, w := range wishes {
		if err == nil {
			err = r.folder(ctx, folder, w)
		}
	}
	ended := r.queue.close()
	if why := r.queue.why; why != nil {
		r.result.Reason = firstLine(why)
	}
	if ended != nil {
		return ended
	}
	return err
}

func (r *remover) gone(info remote.Info) {
	r.result.Removed.add(info)
	if r.o.OnRemoved != nil {
		r.o.OnRemoved(info)
	}
	r.report(Progress{Stage: "removing", Done: r.result.Removed.Total.Objects, DoneBytes: r.result.Removed.Total.Bytes})
}

// sort tells in which folders names may be. A base name does not tell whether
// its folder is below an EXTRAPATH.
func (r *remover) sort(ctx context.Context) (wishes map[string]wish, patterns []string, err error) {
	wishes = make(map[string]wish)
	add := func(folder, base, typed string) {
		w, ok := wishes[folder]
		if !ok {
			w.exact = make(map[string][]string)
			wishes[folder] = w
		}
		w.exact[base] = append(w.exact[base], typed)
	}
	var extras []string
	for _, typed := range r.o.Names {
		folder, base := remote.Key(typed).Split()
		n, ok := sstate.ParseName(base)
		switch {
		case folder == "" && isPattern(base):
			patterns = append(patterns, base)
		case !ok:
		case folder != "":
			add(folder, base, typed)
		default:
			if extras == nil {
				if extras, err = r.extras(ctx); err != nil {
					return nil, nil, err
				}
			}
			for _, extra := range extras {
				n.ExtraPath = extra
				add(n.Dir(), base, typed)
			}
		}
	}
	return wishes, patterns, nil
}

// extras are the folders at the top that may be an EXTRAPATH, and none.
func (r *remover) extras(ctx context.Context) ([]string, error) {
	extras := []string{""}
	lister, ok := r.t.Remote.(remote.FolderLister)
	if !ok || r.t.Traits().NoList {
		return extras, nil
	}
	err := lister.Folders(ctx, "", func(f remote.Folder) error {
		if !sstate.IsFolder(f.Name) && sstate.IsFolder(f.Name+"/00") {
			extras = append(extras, f.Name)
		}
		return nil
	})
	return extras, err
}

// folder removes what is asked for of one folder.
func (r *remover) folder(ctx context.Context, folder string, w wish) error {
	if r.t.Traits().NoList {
		return r.asked(ctx, folder, w)
	}
	var files []remote.Info
	err := r.t.List(ctx, folder, func(info remote.Info) error {
		if at, _ := info.Key.Split(); at == folder {
			files = append(files, info)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.take(files, w)
}

// asked is folder where nothing can be listed: each name is asked for.
func (r *remover) asked(ctx context.Context, folder string, w wish) error {
	var files []remote.Info
	for base := range w.exact {
		sides := []string{""}
		if n, _ := sstate.ParseName(base); n.IsArchive() {
			sides = []string{"", sstate.SideSiginfo, sstate.SideSig}
		}
		for _, side := range sides {
			info, err := r.t.Stat(ctx, remote.Join(folder, base+side))
			switch {
			case err == nil:
				files = append(files, info)
			case !errors.Is(err, remote.ErrNotExist):
				return err
			}
		}
	}
	return r.take(files, w)
}

// take removes what is asked for among the files of a folder.
func (r *remover) take(files []remote.Info, w wish) error {
	groups, _ := groupsOf(files)
	for _, g := range groups {
		archive, siginfo, sig := r.wants(w, g.Archive), r.wants(w, g.Siginfo), r.wants(w, g.Sig)
		if !archive && !sig {
			g.Sig = remote.Info{}
		}
		if !archive {
			g.Archive = remote.Info{}
		}
		for _, gone := range g.take(archive || sig, archive || siginfo) {
			if err := r.queue.add(gone); err != nil {
				return err
			}
		}
	}
	return nil
}

// wants tells whether an object was asked for, and notes by which names.
func (r *remover) wants(w wish, info remote.Info) (wanted bool) {
	if info.Key == "" {
		return false
	}
	_, base := info.Key.Split()
	for _, typed := range w.exact[base] {
		r.matched[typed], wanted = true, true
	}
	for _, p := range w.patterns {
		if ok, _ := path.Match(p, base); ok {
			r.matched[p], wanted = true, true
		}
	}
	return wanted
}
