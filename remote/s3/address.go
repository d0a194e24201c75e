package s3

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"sstatefs/remote"
)

// settings is an address taken apart.
type settings struct {
	text   string // canonical, without secrets, for people
	bucket string
	root   string // what precedes every key: empty, or with a trailing slash

	endpoint     string // empty: AWS, or what the SDK finds
	region       string // empty: what the SDK finds
	profile      string // empty: what the SDK finds
	storageClass string // of new objects, empty: the bucket's default
	pathStyle    *bool  // nil: with an endpoint
	anonymous    bool   // requests are not signed
	partSize     int64  // bytes of a part and limit of a single PUT, 0: default
}

// parameters are the known ones of the query, each with what it sets.
var parameters = map[string]func(s *settings, value string) error{
	"endpoint":      setEndpoint,
	"region":        func(s *settings, v string) error { s.region = v; return nil },
	"profile":       func(s *settings, v string) error { s.profile = v; return nil },
	"storage_class": func(s *settings, v string) error { s.storageClass = v; return nil },
	"path_style":    setPathStyle,
	"anonymous":     setAnonymous,
	"part_size":     setPartSize,
}

// parse takes an address apart. Its errors do not hold what may be a secret.
func parse(address string) (settings, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" {
		return settings{}, errors.New("remote address is not a valid s3 URL (s3://BUCKET/PREFIX?endpoint=URL)")
	}
	text, err := remote.Clean(address)
	if err != nil {
		return settings{}, err
	}
	s := settings{text: text, bucket: u.Host}
	if err := s.read(u); err != nil {
		return settings{}, fmt.Errorf("remote %q: %w", text, err)
	}
	return s, nil
}

func (s *settings) read(u *url.URL) error {
	if u.User != nil {
		return errors.New("the address holds a user or password; credentials come from the environment" +
			" (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or a profile (?profile=NAME)")
	}
	if s.bucket == "" || strings.Contains(s.bucket, ":") {
		return errors.New("no bucket: write s3://BUCKET/PREFIX, and the server as ?endpoint=http://HOST:PORT")
	}
	if p := strings.TrimPrefix(path.Clean("/"+u.Path), "/"); p != "" {
		s.root = p + "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("bad query")
	}
	for name, values := range query {
		set := parameters[name]
		if set == nil {
			known := strings.Join(slices.Sorted(maps.Keys(parameters)), ", ")
			return fmt.Errorf("unknown parameter %q (known: %s)", name, known)
		}
		if err := set(s, values[len(values)-1]); err != nil {
			return err
		}
	}
	return nil
}

func setEndpoint(s *settings, value string) error {
	u, err := url.Parse(value)
	switch {
	case value == "":
		return nil
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the endpoint is not a URL like http://HOST:PORT")
	case u.User != nil:
		return errors.New("the endpoint holds a user or password; credentials come from the environment or a profile")
	}
	s.endpoint = value
	return nil
}

func setPathStyle(s *settings, value string) error {
	yes, err := truth("path_style", value)
	s.pathStyle = &yes
	return err
}

func setAnonymous(s *settings, value string) (err error) {
	s.anonymous, err = truth("anonymous", value)
	return err
}

func truth(name, value string) (bool, error) {
	switch value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is %q, not true or false", name, value)
}

// setPartSize reads MiB, with or without an M behind.
func setPartSize(s *settings, value string) error {
	digits := strings.TrimSuffix(value, "M")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < minPart>>20 || n > maxPart>>20 {
		return fmt.Errorf("part_size is %q, not from %dM to %dM", value, int64(minPart)>>20, int64(maxPart)>>20)
	}
	s.partSize = n << 20
	return nil
}
