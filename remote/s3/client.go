package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"sstatefs/remote"
	"sstatefs/remote/transport"
)

// fallbackRegion signs requests to servers that do not care (and AWS's oldest).
const fallbackRegion = "us-east-1"

// credentialsTimeout bounds the first look for credentials: an instance's
// metadata service or a single sign-on may not answer.
const credentialsTimeout = 5 * time.Second

// newClient makes the SDK's client. The answers' dates go to clk.
func newClient(ctx context.Context, s settings, o remote.OpenOptions, clk *transport.Clock) (*awss3.Client, *http.Transport, error) {
	wire, err := transport.New(o.Access)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := loadConfig(ctx, wire, configOptions(s, o.Access.Getenv))
	if err != nil {
		return nil, nil, err
	}
	client := awss3.NewFromConfig(cfg, func(so *awss3.Options) {
		so.HTTPClient = &http.Client{Transport: limiting{wire}, CheckRedirect: stay}
		so.Retryer = onceMore{}
		so.APIOptions = append(so.APIOptions, listen(clk))
		// Older servers reject aws-chunked trailers; contents are covered
		// by the signature.
		so.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		so.DisableLogOutputChecksumValidationSkipped = true
		if s.endpoint != "" {
			so.BaseEndpoint = aws.String(s.endpoint)
		}
		so.UsePathStyle = so.BaseEndpoint != nil // set by AWS_ENDPOINT_URL too
		if s.pathStyle != nil {
			so.UsePathStyle = *s.pathStyle
		}
		if so.Region == "" && so.BaseEndpoint != nil {
			so.Region = fallbackRegion
		}
	})
	if client.Options().Region == "" {
		return nil, nil, errors.New("no region: set AWS_REGION or give ?region=NAME")
	}
	return client, wire, haveCredentials(ctx, s, client)
}

// stay follows no redirects: a signature is for one host.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// loadConfig reads the environment and the shared files. The SDK adds the
// authorities of AWS_CA_BUNDLE to a client of its own kind only, from which
// wire takes them.
func loadConfig(ctx context.Context, wire *http.Transport, options []func(*config.LoadOptions) error) (aws.Config, error) {
	own := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: wire.TLSClientConfig.RootCAs}
	})
	options = append(options, config.WithHTTPClient(own))
	ctx, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("AWS configuration: %w", err)
	}
	if with, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		wire.TLSClientConfig.RootCAs = with.GetTransport().TLSClientConfig.RootCAs
	}
	return cfg, nil
}

// configOptions are what the address says, and keys that getenv knows: those of
// the process's own environment the SDK finds itself.
func configOptions(s settings, getenv func(string) string) []func(*config.LoadOptions) error {
	options := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}), // an error says it, or nobody wants to know
	}
	if s.region != "" {
		options = append(options, config.WithRegion(s.region))
	}
	switch {
	case s.anonymous:
		options = append(options, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	case s.profile != "":
		options = append(options, config.WithSharedConfigProfile(s.profile))
	case getenv != nil && getenv("AWS_ACCESS_KEY_ID") != "":
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(
			getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN"))))
	}
	return options
}

// haveCredentials finds the credentials once, so that their absence is told
// when the remote is opened.
func haveCredentials(ctx context.Context, s settings, client *awss3.Client) error {
	if s.anonymous {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	provider := client.Options().Credentials
	if provider != nil {
		_, err := provider.Retrieve(limited)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return remote.Ended(ctx, "s3: open", "")
		}
		if s.profile != "" {
			return &remote.Error{Op: "s3: open", Kind: remote.ErrPermission,
				Err: fmt.Errorf("no credentials from profile %q: %s", s.profile, innermost(err))}
		}
	}
	return &remote.Error{Op: "s3: open", Kind: remote.ErrPermission, Err: errors.New(
		"no credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE or ?profile=NAME," +
			" or give ?anonymous=true for a public bucket")}
}

// onceMore tries a call a second time, at once, when the server closed the
// connection without an answer, as it may with one that was idle, or refused the
// time of the signature: the SDK has heard the server's time then and signs by
// that from now on. All other tries are those of remote.Guard.
type onceMore struct{ aws.NopRetryer }

func (onceMore) MaxAttempts() int                             { return 2 }
func (onceMore) IsErrorRetryable(err error) bool              { return hungUp(err) || isSkewed(err) }
func (onceMore) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isSkewed(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "RequestTimeTooSkewed"
}

// noRetry is for calls that must not be made twice, or whose body cannot.
func noRetry(o *awss3.Options) { o.Retryer = aws.NopRetryer{} }
