package webdav

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// secure starts f over TLS and gives the file of its authority.
func secure(t *testing.T, f *fake) string {
	t.Helper()
	f.StartTLS()
	return writeFile(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})))
}

// clientCertificate gives a file with a certificate and its key, and the pool
// that knows it.
func clientCertificate(t *testing.T) (string, *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: testUser},
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return writeFile(t, "client.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))+
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text}))), pool
}

// TestCertificates: an own authority is trusted, a certificate is shown.
func TestCertificates(t *testing.T) {
	cert, pool := clientCertificate(t)
	f := newFake(t, map[string]http.HandlerFunc{"HEAD": file("content"), "GET": file("content")})
	f.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	ca := secure(t, f)
	address := f.URL + "/base"
	d := mustOpen(t, address, remote.OpenOptions{Learned: f.able(), Access: remote.Access{CAFile: ca, CertFile: cert}})
	if got, err := read(t, d, key); string(got) != "content" || err != nil {
		t.Errorf("Get = %q, %v", got, err)
	}
	for words, access := range map[string]remote.Access{
		"certificate":            {CertFile: cert},
		"tls":                    {CAFile: ca},
		"holds no certificate":   {CAFile: writeFile(t, "ca", "x")},
		"no such file":           {CAFile: "/no/such/file"},
		"client certificate /no": {CAFile: ca, CertFile: "/no/such/file"},
	} {
		if err := openError(t, address, remote.OpenOptions{Access: access}); !strings.Contains(err.Error(), words) {
			t.Errorf("Open with %+v = %v, want %q", access, err, words)
		}
	}
}

// TestMovedToHTTPS: a site that sends http to https is written to over https.
func TestMovedToHTTPS(t *testing.T) {
	var stored atomic.Pointer[string]
	f := newFake(t, map[string]http.HandlerFunc{"PUT": func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s := string(b)
		stored.Store(&s)
		w.WriteHeader(http.StatusCreated)
	}})
	ca := secure(t, f)
	_, address := started(t, map[string]http.HandlerFunc{"PROPFIND": redirect(301, f.URL+"/base/")})
	d := mustOpen(t, address, remote.OpenOptions{Learned: f.able(), Access: remote.Access{CAFile: ca}})
	put(t, d, key, []byte("content"), remote.PutOptions{Create: true})
	if s := stored.Load(); s == nil || *s != "content" {
		t.Errorf("the server behind the redirect got %v", s)
	}
	if clean, err := remote.Clean(address); d.String() != clean || err != nil {
		t.Errorf("String = %s, want %s", d, address)
	}
}

// TestPasswordStays: no other host is told the password.
func TestPasswordStays(t *testing.T) {
	var told atomic.Bool
	other, _ := started(t, map[string]http.HandlerFunc{"GET": func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			told.Store(true)
		}
		file("content")(w, r)
	}})
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	protect := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, password, _ := r.BasicAuth(); password != testPassword {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next(w, r)
		}
	}
	f, address := started(t, map[string]http.HandlerFunc{
		"PROPFIND": protect(folderAnswer("/base/")), "GET": protect(redirect(302, elsewhere+"/x")),
		"PUT": protect(redirect(307, elsewhere+"/x")),
	})
	d := mustOpen(t, withUser(address), remote.OpenOptions{Learned: f.able(),
		Access: remote.Access{Getenv: env(map[string]string{"SSTATEFS_PASSWORD": testPassword})}})
	if got, err := read(t, d, key); string(got) != "content" || err != nil {
		t.Errorf("Get from another host = %q, %v", got, err)
	}
	err := d.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true})
	if !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "localhost") {
		t.Errorf("Put = %v, want %v that names the other host", err, remote.ErrUnavailable)
	}
	if told.Load() {
		t.Errorf("another host was told the password")
	}
}

// TestWriteSentOn: a write goes on to where the same host sends it, with its
// body.
func TestWriteSentOn(t *testing.T) {
	var stored atomic.Pointer[string]
	f, d := openFake(t, nil)
	f.routes = map[string]http.HandlerFunc{
		"PUT /base/ab/cd/sstate:x": redirect(308, "/moved/x"),
		"PUT /moved/x": func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			s := string(b)
			stored.Store(&s)
			w.WriteHeader(http.StatusCreated)
		},
	}
	put(t, d, key, []byte("content"), remote.PutOptions{})
	if s := stored.Load(); s == nil || *s != "content" {
		t.Errorf("the place behind the redirect got %v", s)
	}
}
