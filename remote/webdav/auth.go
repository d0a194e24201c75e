package webdav

import (
	"net/http"
	"strings"
	"sync"

	"github.com/studio-b12/gowebdav"
)

// An authority answers the challenges of a server by gowebdav's Basic and
// Digest. It belongs to one user of one host.
//
// Three habits of gowebdav 0.13 are worked around. It takes Microsoft's
// Passport too, which sends the password to a host of the server's choice, and
// its choice among several challenges keeps a pointer that it has cleared:
// narrow leaves one challenge that we want. An authenticator that was just made
// is at once the model of all later ones, and Digest writes to it: so every try
// gets a copy. And Digest gives up for good when a server forgets its nonce
// without saying "stale": renew begins again.
type authority struct {
	credentials
	client *http.Client

	mu   sync.Mutex
	auth gowebdav.Authorizer
}

func newAuthority(c credentials, transport http.RoundTripper) *authority {
	a := &authority{credentials: c, client: &http.Client{Transport: transport}}
	a.renew()
	return a
}

func (a *authority) renew() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.auth = gowebdav.NewAutoAuth(a.user, a.password)
}

// fresh gives an authenticator for one try.
func (a *authority) fresh() gowebdav.Authenticator {
	a.mu.Lock()
	defer a.mu.Unlock()
	auth, _ := a.auth.NewAuthenticator(nil)
	return auth
}

// authorize adds what the server asked for last, if it did.
func (a *authority) authorize(auth gowebdav.Authenticator, req *http.Request) error {
	body := req.GetBody
	err := auth.Authorize(a.client, req, req.URL.RequestURI())
	req.GetBody = body // gowebdav puts a function there that gives nil
	req.Header.Del(gowebdav.XInhibitRedirect)
	return err
}

// again tells whether another try may be let in after the answer 401.
func (a *authority) again(auth gowebdav.Authenticator, res *http.Response, try int) bool {
	challenge := pickChallenge(res.Header.Values("WWW-Authenticate"))
	if challenge == "" {
		return false
	}
	res.Header.Set("WWW-Authenticate", challenge)
	redo, err := auth.Verify(a.client, res, res.Request.URL.RequestURI())
	if err == nil {
		return redo
	}
	if try == 0 && isDigest(challenge) {
		a.renew()
		return true
	}
	return false
}

// pickChallenge gives the one challenge to answer: Digest with MD5, which is
// what gowebdav has, else Basic, else none. A header may hold several.
func pickChallenge(headers []string) string {
	basic := ""
	for _, header := range headers {
		for _, challenge := range splitChallenges(header) {
			switch {
			case isDigest(challenge) && !strings.Contains(strings.ToLower(challenge), "sha-"):
				return challenge
			case strings.EqualFold(scheme(challenge), "basic"):
				basic = challenge
			}
		}
	}
	return basic
}

func isDigest(challenge string) bool { return strings.EqualFold(scheme(challenge), "digest") }

func scheme(challenge string) string {
	word, _, _ := strings.Cut(challenge, " ")
	return word
}

// splitChallenges cuts a header where a word begins that is followed by a
// space and not by "=": there is the scheme of the next challenge.
func splitChallenges(header string) (all []string) {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		word := scheme(part)
		if len(all) == 0 || word != "" && word != part && !strings.ContainsAny(word, `="`) || strings.EqualFold(part, "negotiate") {
			all = append(all, part)
			continue
		}
		all[len(all)-1] += ", " + part
	}
	return all
}
