package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sstatefs/remote"
	"sstatefs/remote/file"
	"sstatefs/remote/s3"
	"sstatefs/remote/webdav"
)

// openers are the remotes that every command knows.
func openers() remote.Openers {
	return remote.Openers{"file": file.Open, "s3": s3.Open, "http": webdav.Open, "https": webdav.Open}
}

// accessFlags are the flags of every command that opens a remote: what lets it
// in. They name files, because what is on a command line is seen by all.
type accessFlags struct {
	passwordFile string
	caFile       string
	certFile     string
	keyFile      string
	insecure     bool
}

// accessFile is one of them.
type accessFile struct {
	flag     string
	variable string // stands in when the flag is not given
	help     string
	value    *string
}

func (f *accessFlags) files() []accessFile {
	return []accessFile{
		{"password-file", "SSTATEFS_PASSWORD_FILE", "`file` whose first line is the password of the URL's user", &f.passwordFile},
		{"ca-file", "SSTATEFS_CA_FILE", "PEM `file` of authorities to trust beside the system's", &f.caFile},
		{"cert-file", "SSTATEFS_CERT_FILE", "PEM `file` of the client certificate", &f.certFile},
		{"key-file", "SSTATEFS_KEY_FILE", "PEM `file` of its key, if that is not in --cert-file", &f.keyFile},
	}
}

// add declares the flags.
func (f *accessFlags) add(cmd *cobra.Command) {
	for _, file := range f.files() {
		cmd.Flags().StringVar(file.value, file.flag, "", file.help+" (default $"+file.variable+")")
		// It fails for a flag that does not exist only.
		_ = cmd.MarkFlagFilename(file.flag)
	}
	cmd.Flags().BoolVar(&f.insecure, "insecure", false, "believe any certificate of the server, which status then tells; --ca-file is better")
}

// access names the files, absolute: a daemon leaves the folder where it was
// started.
func (f *accessFlags) access() (remote.Access, error) {
	for _, file := range f.files() {
		name := "--" + file.flag
		if *file.value == "" {
			*file.value, name = os.Getenv(file.variable), file.variable
		}
		if err := file.check(name); err != nil {
			return remote.Access{}, err
		}
	}
	if f.keyFile != "" && f.certFile == "" {
		return remote.Access{}, &failure{code: exitUsage, err: errors.New("--key-file is of no use without --cert-file")}
	}
	return remote.Access{
		PasswordFile: f.passwordFile, CAFile: f.caFile, CertFile: f.certFile, KeyFile: f.keyFile,
		Insecure: f.insecure,
		Getenv:   os.Getenv,
	}, nil
}

// check makes the path absolute and wants a file that can be read.
func (file accessFile) check(name string) error {
	if *file.value == "" {
		return nil
	}
	path, err := filepath.Abs(*file.value)
	if err == nil {
		*file.value = path
		var f *os.File
		if f, err = os.Open(path); err == nil {
			return f.Close()
		}
	}
	return &failure{code: exitUsage, err: fmt.Errorf("%s: %w", name, err)}
}
