package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"sstatefs/remote"
)

// addressError is an address that names no remote: something that was typed
// wrong.
func addressError(address string, err error, hint string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, remote.ErrPasswordInAddress) && strings.HasPrefix(address, "s3:"):
		hint = mendKeys
	case errors.Is(err, remote.ErrPasswordInAddress):
		hint = "write the password to a file that only you can read, and give --password-file FILE"
	}
	return &failure{code: exitUsage, err: err, hint: hint}
}

// remoteError gives an error of opening a remote its exit code and, where one
// is known, its mend.
func remoteError(address string, err error) error {
	var known *failure
	var kind *remote.Error
	switch {
	case err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled):
		return err
	case missingFolder(address):
		dir, _, _ := remote.Directory(address)
		return &failure{
			code: exitUnreachable, err: fmt.Errorf("remote directory %s: does not exist", dir),
			hint: "mkdir -p " + dir + " (for a new cache; a share must be mounted first)",
		}
	case isOtherThanFolder(address):
		dir, _, _ := remote.Directory(address)
		return &failure{code: exitUsage, err: fmt.Errorf("remote directory %s: not a directory", dir)}
	case !errors.As(err, &kind): // what the address asks for makes no sense
		return addressError(address, err, "")
	}
	return &failure{code: openCode(err), err: err, hint: mendOf(address, err)}
}

// targetError is remoteError for a verb that looks after a remote: a directory
// that is missing is one that was meant to be there.
func targetError(address string, err error) error {
	err = remoteError(address, err)
	var f *failure
	switch {
	case !errors.As(err, &f):
	case missingFolder(address):
		return &failure{code: f.code, err: f.err, hint: "check the name, and that the share is mounted"}
	case f.hint == "" && f.code == exitUnreachable:
		return &failure{code: f.code, err: f.err, hint: "sstatefs doctor " + address}
	}
	return err
}

// workError says at what and where work failed, and what may help: a backend
// knows neither the command nor the whole address.
func workError(what, arg string, t *target, err error) error {
	var known *failure
	var kind *remote.Error
	if !errors.As(err, &kind) || errors.As(err, &known) {
		return err
	}
	f := &failure{code: exitCode(err), err: err, hint: mendOf(arg, err)}
	if !strings.Contains(err.Error(), t.name) {
		f.err = fmt.Errorf("%s: %s: %w", what, t.name, err)
	}
	if f.hint == "" && f.code == exitUnreachable {
		f.hint = "sstatefs doctor " + arg
	}
	return f
}

// missingFolder tells of a directory that was never used: nothing makes one by
// itself, because an NFS that is not mounted must not look like an empty cache.
func missingFolder(address string) bool {
	dir, _, err := remote.Directory(address)
	return err == nil && isMissing(dir)
}

// isOtherThanFolder tells of the path of a file.
func isOtherThanFolder(address string) bool {
	dir, _, err := remote.Directory(address)
	return err == nil && isFile(dir)
}

// isMissing tells whether a path does not exist.
func isMissing(path string) bool {
	return soon(func() bool {
		_, err := os.Lstat(path)
		return errors.Is(err, os.ErrNotExist)
	})
}

// isFile tells whether a path leads to something that is no directory.
func isFile(path string) bool {
	return soon(func() bool {
		info, err := os.Stat(path)
		return err == nil && !info.IsDir() || errors.Is(err, syscall.ENOTDIR)
	})
}

// soon asks a file system something, and takes no answer for no: a server that
// hangs is not waited for.
func soon(ask func() bool) bool {
	answer := make(chan bool, 1)
	go func() { answer <- ask() }()
	select {
	case yes := <-answer:
		return yes
	case <-time.After(time.Second):
		return false
	}
}

// openCode is the exit code of a remote that cannot be opened.
func openCode(err error) int {
	switch {
	case errors.Is(err, remote.ErrPermission), errors.Is(err, remote.ErrUnsupported):
		return exitFailed // no part of it is done
	case errors.Is(err, remote.ErrUnavailable), errors.Is(err, remote.ErrNotExist):
		return exitUnreachable
	}
	return exitCode(err)
}

// mendOf is what to do about a remote that cannot be opened, empty when only
// its own words tell.
func mendOf(address string, err error) string {
	if hint := mendTLS(err); hint != "" {
		return hint
	}
	var dns *net.DNSError
	switch {
	case strings.Contains(err.Error(), "the clocks differ"):
		return "let both machines set their clocks by NTP: timedatectl set-ntp true"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "check the name of the host, and of the proxy if one is set"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check the port, and that the server runs"
	case strings.Contains(err.Error(), ": bucket ") && strings.Contains(err.Error(), " does not exist at "):
		return "check the name; mount makes no bucket, the tools of the server do"
	case strings.HasPrefix(address, "http://") && isFirst(err) && (errors.Is(err, io.EOF) || strings.Contains(err.Error(), "400 Bad Request")):
		return "the server may speak https there: try https:// instead of http://"
	case errors.Is(err, remote.ErrPermission) && !saysHow(err):
		return mendRights(address, err)
	}
	return ""
}

// isFirst tells an error of the first request: the server has not answered
// properly before.
func isFirst(err error) bool {
	var kind *remote.Error
	return errors.As(err, &kind) && strings.HasSuffix(kind.Op, "open")
}

// saysHow tells that an error names what to set already.
func saysHow(err error) bool {
	text := err.Error()
	return strings.Contains(text, "--password-file") || strings.Contains(text, "AWS_ACCESS_KEY_ID")
}

// mendTLS knows what goes wrong with certificates. A server that speaks no TLS
// is known by its answer only (net/http).
func mendTLS(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "if the server is yours, give its authority with --ca-file FILE"
	case errors.As(err, &name):
		return "use a host name that the server's certificate holds"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or check the clock of this machine"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the server speaks http there: try http:// instead of https://, or another port"
	case strings.Contains(err.Error(), "HTTP request to an HTTPS server"):
		return "the server speaks https there: try https:// instead of http://"
	case strings.Contains(err.Error(), "certificate required"):
		return "give the client certificate with --cert-file FILE and --key-file FILE"
	}
	return ""
}

// mendKeys is for who has no keys of a bucket, or wrong ones.
const mendKeys = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ?profile=NAME of ~/.aws/config, for a user with rights on the bucket"

// mendRights is for who is not let in.
func mendRights(address string, denied error) string {
	clean, err := remote.Clean(address)
	if err != nil {
		return ""
	}
	u, err := url.Parse(clean)
	switch {
	case err != nil:
		return ""
	case u.Scheme == "s3":
		return mendKeys
	case u.Scheme != "http" && u.Scheme != "https":
		return ""
	case strings.Contains(denied.Error(), "password of "):
		return "check the user and the password; curl --user USER " + clean + "/ asks the server too"
	case strings.Contains(denied.Error(), "403 Forbidden"):
		return "check the path, and what the server lets this user do there; its error log has the reason"
	}
	return "give the user in the URL (" + u.Scheme + "://USER@" + u.Host + ") and --password-file FILE, or a line in ~/.netrc"
}
