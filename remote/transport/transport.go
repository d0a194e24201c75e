package transport

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"sstatefs/remote"
)

// Timeouts of a connection. Bodies have none here: a remote.Guard watches
// their progress.
//
// net/http dials for each request that waits, so some connections come too late
// and stay unused. Apache's kernel has not handed those to Apache, and holds them
// back for 30 s (TCP_DEFER_ACCEPT). From Linux 6.15 it also ignores what is sent
// over one after a keep-alive probe, until those 30 s are over; and if nothing is
// sent, each holds a worker of Apache's from then on. So an idle connection is closed
// before the first probe, and the first probe comes after the 30 s.
const (
	dialTimeout     = 3 * time.Second
	handshakeLimit  = 5 * time.Second
	idleTimeout     = 25 * time.Second
	firstProbe      = 35 * time.Second
	probeInterval   = 15 * time.Second
	probes          = 4 // without an answer end a connection
	continueTimeout = time.Second
)

// idlePerHost is how many connections wait for the next request: more than
// the calls that a Guard lets run at a time would never be used.
const idlePerHost = 256

// New gives a transport of its own: HTTP/1.1, because a server that answers
// many requests over one connection stalls them all when it stalls, proxies as
// the environment says, and the certificates of access.
func New(access remote.Access) (*http.Transport, error) {
	config, err := tlsConfig(access)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: firstProbe, Interval: probeInterval, Count: probes,
	}}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   handshakeLimit,
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
		MaxIdleConns:          idlePerHost,
		MaxIdleConnsPerHost:   idlePerHost,
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: continueTimeout,
		DisableCompression:    true, // objects are compressed, and their lengths must be told
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
	}, nil
}

// tlsConfig reads the certificates.
func tlsConfig(access remote.Access) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: access.Insecure} // #nosec G402: as the user asked
	if access.CAFile != "" {
		pool, err := authorities(access.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = pool
	}
	if access.CertFile == "" {
		return config, nil
	}
	key := access.KeyFile
	if key == "" {
		key = access.CertFile
	}
	cert, err := tls.LoadX509KeyPair(access.CertFile, key)
	if err != nil {
		return nil, fmt.Errorf("client certificate %s, key %s: %w", access.CertFile, key, err)
	}
	config.Certificates = []tls.Certificate{cert}
	return config, nil
}

// authorities are the system's and those of a file.
func authorities(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("authorities: %s holds no certificate in PEM", file)
	}
	return pool, nil
}
