package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

// raw sends files straight to a server, with the requests that a publish and a
// restore cannot do without: what a mount's time is measured against.
type raw struct {
	endpoint endpoint
	dir      string // where downloads go
	client   *http.Client
	signer   *v4.Signer

	mu      sync.Mutex
	folders map[string]bool // that the server has (WebDAV)
}

func newRaw(e endpoint, dir string) *raw {
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return &raw{endpoint: e, dir: dir, signer: signer, folders: map[string]bool{}}
}

// start begins with no connections.
func (r *raw) start(context.Context) error {
	r.client = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: workers, DisableCompression: true,
		ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10,
	}}
	return os.MkdirAll(r.dir, 0o777)
}

func (r *raw) startKnowing(ctx context.Context) error { return r.start(ctx) }

func (r *raw) stop() {
	r.client.CloseIdleConnections()
	_ = os.RemoveAll(r.dir)
}

// settle has nothing to wait for.
func (*raw) settle([]object) error { return nil }

// prepare learns which folders there are, as a client knows that has listed.
func (r *raw) prepare(objects []object) error {
	for _, o := range objects {
		leaf := path.Dir(o.archive.key)
		for _, folder := range []string{path.Dir(leaf), leaf} {
			_, err := os.Stat(filepath.Join(r.endpoint.data, folder))
			r.folders[folder] = err == nil
		}
	}
	return nil
}

func (r *raw) remote() string { return r.endpoint.data }

// check is nothing: a client that knows what it wants asks for nothing else.
func (*raw) check([]object) error { return nil }

// stat asks for a name.
func (r *raw) stat(key string) error {
	resp, err := r.do(context.Background(), "HEAD", key, nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		return fmt.Errorf("HEAD %s: %s", key, resp.Status)
	}
	return nil
}

func (r *raw) publish(ctx context.Context, o object) error {
	for _, f := range []file{o.archive, o.siginfo} {
		if err := r.put(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// put creates a file: one conditional PUT, where the server has none a PUT and
// a MOVE; and on WebDAV the folders before.
func (r *raw) put(ctx context.Context, f file) error {
	if !r.endpoint.s3 {
		leaf := path.Dir(f.key)
		for _, folder := range []string{path.Dir(leaf), leaf} {
			if err := r.makeFolder(ctx, folder); err != nil {
				return err
			}
		}
	}
	if !r.endpoint.putMove {
		return r.send(ctx, "PUT", f.key, &f, "If-None-Match", "*")
	}
	tmp := path.Dir(f.key) + fmt.Sprintf("/.sstatefs-%x", f.head[:8])
	if err := r.send(ctx, "PUT", tmp, &f); err != nil {
		return err
	}
	return r.send(ctx, "MOVE", tmp, nil, "Overwrite", "F", "Destination", r.address(f.key).String())
}

func (r *raw) makeFolder(ctx context.Context, folder string) error {
	r.mu.Lock()
	there := r.folders[folder]
	r.mu.Unlock()
	if there {
		return nil
	}
	err := r.send(ctx, "MKCOL", folder+"/", nil)
	r.mu.Lock()
	r.folders[folder] = err == nil
	r.mu.Unlock()
	return err
}

// send makes a request without an answer of interest.
func (r *raw) send(ctx context.Context, method, key string, f *file, header ...string) error {
	resp, err := r.do(ctx, method, key, f, header...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	ok := []int{http.StatusOK, http.StatusCreated, http.StatusNoContent}
	if method == "MKCOL" {
		ok = append(ok, http.StatusMethodNotAllowed) // it is there
	}
	if err == nil && !slices.Contains(ok, resp.StatusCode) {
		return fmt.Errorf("%s %s: %s", method, key, resp.Status)
	}
	return err
}

func (*raw) share() int { return 1 }

func (r *raw) restore(ctx context.Context, o object) error { return r.whole(ctx, o.archive) }

func (r *raw) first(ctx context.Context, f file) error {
	resp, err := r.get(ctx, f)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = resp.Body.Read(make([]byte, 4096))
	return err
}

func (r *raw) get(ctx context.Context, f file) (*http.Response, error) {
	resp, err := r.do(ctx, "GET", f.key, nil)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		err = fmt.Errorf("GET %s: %s", f.key, resp.Status)
	}
	return resp, err
}

// whole downloads a file into one.
func (r *raw) whole(ctx context.Context, f file) error {
	resp, err := r.get(ctx, f)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	w, err := os.Create(filepath.Join(r.dir, path.Base(f.key)))
	if err != nil {
		return err
	}
	defer w.Close()
	n, err := io.Copy(w, resp.Body)
	if err == nil && n != int64(f.size()) {
		return fmt.Errorf("GET %s: %d bytes instead of %d", f.key, n, f.size())
	}
	return err
}

func (r *raw) address(key string) *url.URL {
	u := *r.endpoint.url
	u.Path = path.Join("/", u.Path, r.endpoint.bucket, key)
	if key[len(key)-1] == '/' {
		u.Path += "/"
	}
	u.RawPath = httpbinding.EscapePath(u.Path, false)
	return &u
}

func (r *raw) do(ctx context.Context, method, key string, f *file, header ...string) (*http.Response, error) {
	sum := sha256.New()
	req, err := http.NewRequestWithContext(ctx, method, r.endpoint.url.String(), nil)
	if err != nil {
		return nil, err
	}
	req.URL = r.address(key)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if f != nil {
		req.Body = io.NopCloser(f.reader())
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(f.reader()), nil } // the connection was closed: again
		req.ContentLength = int64(f.size())
	}
	if r.endpoint.s3 {
		if f != nil {
			_, _ = io.Copy(sum, f.reader())
		}
		hash := hex.EncodeToString(sum.Sum(nil))
		req.Header.Set("X-Amz-Content-Sha256", hash)
		keys := aws.Credentials{AccessKeyID: r.endpoint.access, SecretAccessKey: r.endpoint.secret}
		if err := r.signer.SignHTTP(ctx, keys, req, hash, "s3", r.endpoint.region, time.Now()); err != nil {
			return nil, err
		}
	}
	return r.client.Do(req)
}
