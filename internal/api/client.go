package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// The reasons why a control socket cannot be called. They are found in the client's
// errors with errors.Is.
var (
	ErrNotRunning = errors.New("nothing listens on the control socket")
	ErrDenied     = errors.New("no permission to open the control socket")
	ErrNotRipd    = errors.New("what answers on the control socket is not ripd")
	ErrCutOff     = errors.New("ripd left before it gave a verdict")
	ErrNoAnswer   = errors.New("ripd closed the connection without an answer")
)

// Bounds of the client.
const (
	dialTimeout = 2 * time.Second  // a unix socket that does not accept by then belongs to a process that hangs
	callTimeout = 10 * time.Second // of a call whose answer is one value
)

// Client calls one control socket. Its methods may be used from several
// goroutines. Errors are *Error when ripd answered with one.
type Client struct {
	path    string
	version string
	token   string
	http    *http.Client
}

// NewClient makes a client for the control socket at path. Version is what the
// client says of itself; empty says nothing. It opens nothing before the first call.
func NewClient(path, version string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	}
	return &Client{path: path, version: version, http: &http.Client{
		Transport: &http.Transport{
			DialContext:            dial,
			DisableCompression:     true,
			MaxIdleConns:           1,
			IdleConnTimeout:        5 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// ripd never redirects; whoever does is not ripd.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// WithToken gives a client that presents a worker's token with each call.
func (c *Client) WithToken(token string) *Client {
	d := *c
	d.token = token
	return &d
}

// Path gives the path of the control socket.
func (c *Client) Path() string { return c.path }

// Close lets go of idle connections. The client can be used again.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks how the app is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return one[Status](ctx, c, http.MethodGet, PathStatus, nil)
}

// Workers asks for the workers.
func (c *Client) Workers(ctx context.Context) (WorkerList, error) {
	return one[WorkerList](ctx, c, http.MethodGet, PathWorkers, nil)
}

// Config asks for the settings in force.
func (c *Client) Config(ctx context.Context) (Config, error) {
	return one[Config](ctx, c, http.MethodGet, PathConfig, nil)
}

// Drain holds a worker back, or all.
func (c *Client) Drain(ctx context.Context, r DrainRequest) error {
	_, err := one[OK](ctx, c, http.MethodPost, PathDrain, r)
	return err
}

// Resume lets a worker, or all, take requests again.
func (c *Client) Resume(ctx context.Context, r DrainRequest) error {
	_, err := one[OK](ctx, c, http.MethodPost, PathResume, r)
	return err
}

// Register says that a worker is ready. It sets r.Op.
func (c *Client) Register(ctx context.Context, r Register) error {
	r.Op = OpRegister
	_, err := one[OK](ctx, c, http.MethodPost, PathWorker, r)
	return err
}

// Deregister says that a worker leaves. It sets d.Op.
func (c *Client) Deregister(ctx context.Context, d Deregister) error {
	d.Op = OpDeregister
	_, err := one[OK](ctx, c, http.MethodPost, PathWorker, d)
	return err
}

// Metrics copies the metrics, in the text format of Prometheus, to w.
func (c *Client) Metrics(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, PathMetrics, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, io.LimitReader(resp.Body, MaxAnswerBytes)); err != nil {
		return fmt.Errorf("read the metrics: %w", err)
	}
	return nil
}

// one makes a call whose answer is one JSON value.
func one[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var v T
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, MaxAnswerBytes)).Decode(&v); err != nil {
		return v, fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return v, nil
}

// do makes a call and gives an answer with a good status; all others become errors.
func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the call of %s: %w", path, err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://ripd"+path, in)
	if err != nil {
		return nil, fmt.Errorf("write the call of %s: %w", path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", TypeJSON)
	}
	req.Header.Set("User-Agent", "ripctl")
	if c.version != "" {
		req.Header.Set(HeaderVersion, c.version)
	}
	if c.token != "" {
		req.Header.Set(HeaderToken, c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(err)
	}
	if resp.Header.Get(HeaderVersion) == "" {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: %s", ErrNotRipd, c.path)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, answerError(resp)
	}
	return resp, nil
}

// transportError tells the reasons apart why there was no answer.
func (c *Client) transportError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %s", ErrNotRunning, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %s", ErrDenied, c.path)
	case strings.Contains(err.Error(), "malformed HTTP"): // net/http has no error value for it
		return fmt.Errorf("%w: %s", ErrNotRipd, c.path)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%w: %s", ErrNoAnswer, c.path)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time from %s: %w", c.path, context.DeadlineExceeded)
	}
	return fmt.Errorf("call %s: %w", c.path, err)
}

// answerError reads the Error in an answer with a bad status.
func answerError(resp *http.Response) error {
	var a ErrorAnswer
	err := json.NewDecoder(io.LimitReader(resp.Body, MaxRequestBytes)).Decode(&a)
	if err != nil || a.Error == nil || a.Error.Message == "" {
		return Errorf(CodeFailed, "ripd answered %s", resp.Status)
	}
	return a.Error
}
