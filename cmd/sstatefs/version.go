package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Both are set by the linker: -X main.version=1.2.3 -X main.commit=...
var version, commit string

// versionInfo is the answer of `sstatefs version --json`.
type versionInfo struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Commit  string `json:"commit,omitempty"` // when the build knew it
	Time    string `json:"time,omitempty"`   // of the commit
	Dirty   bool   `json:"dirty,omitempty"`  // built from a changed checkout
}

func programVersion() versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), Commit: commit}
	info, ok := debug.ReadBuildInfo()
	if ok && v.Version == "" {
		v.Version = info.Main.Version
	}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "devel"
	}
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Dirty = s.Value == "true"
		}
	}
	return v
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  wantArgs(),
		RunE:  func(*cobra.Command, []string) error { return p.printVersion() },
	}
}

func (p *program) printVersion() error {
	v := programVersion()
	if p.json {
		return p.printJSON(v)
	}
	text := fmt.Sprintf("sstatefs %s, %s", v.Version, v.Go)
	if v.Commit != "" {
		text += ", commit " + v.Commit
	}
	_, err := fmt.Fprintln(p.stdout, text)
	return err
}

// printJSON writes a result of --json: one object, one line.
func (p *program) printJSON(v any) error { return writeJSON(p.stdout, v) }

func writeJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
