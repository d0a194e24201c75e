package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sstatefs/sstate/siginfo"
)

const dumpsigText = `dumpsig prints what is in a signature file, as bitbake-dumpsig of BitBake 2.19
does: the files of all versions, zstd or pickle, with nothing in them executed.
The hashes at the end are computed from the rest of the file.`

const dumpsigExample = `  sstatefs dumpsig build/tmp/stamps/core2-64-poky-linux/zlib/1.3-r0.do_compile.sigdata.abcd...`

// signatureDump is the answer of `sstatefs dumpsig --json`. The keys are those
// of BitBake's files and stable; null is what a file does not have.
type signatureDump struct {
	Task                *string                  `json:"task"`
	BaseHashIgnoreVars  []string                 `json:"basehash_ignore_vars"`
	TaskHashIgnoreTasks siginfo.Value            `json:"taskhash_ignore_tasks"`
	TaskDeps            []string                 `json:"taskdeps"`
	GenDeps             map[string][]string      `json:"gendeps"`
	VarVals             map[string]siginfo.Value `json:"varvals"`
	BaseHash            string                   `json:"basehash"`
	RunTaskDeps         []string                 `json:"runtaskdeps"`
	RunTaskHashes       map[string]string        `json:"runtaskhashes"`
	FileChecksums       []signatureFile          `json:"file_checksum_values"`
	Taint               siginfo.Value            `json:"taint"`
	TaskHash            *string                  `json:"taskhash"`
	UniHash             *string                  `json:"unihash"`

	ComputedBaseHash *string `json:"computed_basehash"` // null: it cannot be computed
	ComputedTaskHash *string `json:"computed_taskhash"`
}

// signatureFile is a file and its checksum, null when there was none.
type signatureFile struct {
	Name string        `json:"name"`
	Sum  siginfo.Value `json:"sum"`
}

func (p *program) dumpsigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dumpsig [flags] FILE",
		Short:   "what is in a signature, as bitbake-dumpsig prints it",
		Long:    dumpsigText,
		Example: dumpsigExample,
		Args:    wantArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := readSignature(args[0])
			if err != nil {
				return fmt.Errorf("dumpsig: %w", err)
			}
			if p.json {
				return p.printJSON(newSignatureDump(s))
			}
			return printLines(p.stdout, s.Dump())
		},
	}
	choice(cmd, "color", "as diffsigs takes it; a dump has no colors", "auto", "always", "never")
	return cmd
}

// readSignature reads a signature file. The error begins with its name.
func readSignature(name string) (*siginfo.Signature, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer f.Close()
	s, err := siginfo.Read(f)
	if err != nil {
		return nil, fileError(name, err)
	}
	return s, nil
}

// fileError says what is wrong with a file, once by its name.
func fileError(name string, err error) error {
	var why *fs.PathError
	if errors.As(err, &why) {
		err = why.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// printLines prints messages, each ended by a newline.
func printLines(w io.Writer, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func newSignatureDump(s *siginfo.Signature) signatureDump {
	d := signatureDump{
		Task: orNull(s.Task), BaseHashIgnoreVars: s.BaseHashIgnoreVars, TaskHashIgnoreTasks: s.TaskHashIgnoreTasks,
		TaskDeps: s.TaskDeps, GenDeps: s.GenDeps, VarVals: s.VarVals, BaseHash: s.BaseHash,
		RunTaskDeps: s.RunTaskDeps, RunTaskHashes: s.RunTaskHashes,
		Taint: s.Taint, TaskHash: orNull(s.TaskHash), UniHash: orNull(s.UniHash),
	}
	if s.FileChecksums != nil {
		d.FileChecksums = make([]signatureFile, len(s.FileChecksums))
	}
	for i, f := range s.FileChecksums {
		d.FileChecksums[i] = signatureFile(f)
	}
	if hash, err := s.ComputeBaseHash(); err == nil {
		d.ComputedBaseHash = &hash
	}
	if hash, err := s.ComputeTaskHash(); err == nil {
		d.ComputedTaskHash = &hash
	}
	return d
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
