package servers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// requestLimit bounds one request of a test to a server.
const requestLimit = 30 * time.Second

// Do makes a plain request for a key below the root, signed where the server
// wants that, and returns status and body. It is what another tool does, and
// shares nothing with the backends under test. A nil header is none.
func (r *Root) Do(t TB, method, key string, header http.Header, body []byte) (int, []byte) {
	t.Helper()
	resp, content, err := r.request(method, r.prefixed(key), nil, header, body)
	if err != nil {
		t.Fatalf("servers: %s %s: %v", method, key, err)
	}
	return resp.StatusCode, content
}

// ObjectURL is the address of an object.
func (r *Root) ObjectURL(key string) string {
	return r.endpoint + "/" + bucket + "/" + escape(r.prefixed(key))
}

// prefixed is a key's path below the bucket.
func (r *Root) prefixed(key string) string {
	if r.Prefix == "" {
		return key
	}
	return r.Prefix + "/" + key
}

// request makes a request for a path below the bucket and reads the answer.
func (r *Root) request(method, path string, query url.Values, header http.Header, body []byte) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	defer cancel()
	address := r.endpoint + "/" + bucket + "/" + escape(path)
	if len(query) > 0 {
		address += "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if r.s3 {
		if err := sign(ctx, req, body); err != nil {
			return nil, nil, err
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return resp, content, err
}

// escape escapes as the signature of S3 wants it: all but the unreserved
// characters of RFC 3986 and the slash.
func escape(path string) string {
	var out strings.Builder
	for _, c := range []byte(path) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// sign signs a request of S3 with its payload.
func sign(ctx context.Context, req *http.Request, body []byte) error {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	credentials := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return signer.SignHTTP(ctx, credentials, req, hash, "s3", region, time.Now())
}

// Put stores an object as another host's tool would: with one PUT, and MKCOL
// for its folders where the server has such.
func (r *Root) Put(t TB, key string, content []byte) {
	t.Helper()
	if !r.s3 {
		for i, c := range key {
			if c == '/' {
				r.Do(t, "MKCOL", key[:i+1], nil, nil)
			}
		}
	}
	if status, text := r.Do(t, http.MethodPut, key, nil, content); status >= 300 {
		t.Fatalf("servers: PUT %s: status %d\n%s", key, status, text)
	}
}

// Get reads an object; false if there is none.
func (r *Root) Get(t TB, key string) ([]byte, bool) {
	t.Helper()
	status, content := r.Do(t, http.MethodGet, key, nil, nil)
	switch status {
	case http.StatusOK:
		return content, true
	case http.StatusNotFound:
		return nil, false
	}
	t.Fatalf("servers: GET %s: status %d\n%s", key, status, content)
	return nil, false
}

// Remove removes an object that is there.
func (r *Root) Remove(t TB, key string) {
	t.Helper()
	if status, text := r.Do(t, http.MethodDelete, key, nil, nil); status >= 300 {
		t.Fatalf("servers: DELETE %s: status %d\n%s", key, status, text)
	}
}

// ModTime is an object's time, in whole seconds. An object that is being
// replaced may be away for a moment: Apache and rclone remove the old one first.
func (r *Root) ModTime(t TB, key string) time.Time {
	t.Helper()
	at, err := http.ParseTime(r.await(t, http.MethodHead, key).Get("Last-Modified"))
	if err != nil {
		t.Fatalf("servers: HEAD %s: %v", key, err)
	}
	return at
}

// List lists the keys below the root of an object store, sorted.
func (r *Root) List(t TB) []string {
	t.Helper()
	var keys []string
	query := url.Values{"list-type": {"2"}, "prefix": {r.prefixed("")}}
	for {
		resp, body, err := r.request(http.MethodGet, "", query, nil, nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("servers: list: %v\n%s", err, body)
		}
		var page struct {
			Contents              []struct{ Key string }
			NextContinuationToken string
		}
		if err := xml.Unmarshal(body, &page); err != nil {
			t.Fatalf("servers: list: %v", err)
		}
		for _, c := range page.Contents {
			keys = append(keys, strings.TrimPrefix(c.Key, r.prefixed("")))
		}
		if page.NextContinuationToken == "" {
			return keys
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
}
