package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/control"
	"ripd/internal/control/controltest"
	"ripd/internal/testkit"
)

// hasty serves with short timeouts, so that tests of slow callers are quick.
func hasty(t testing.TB, app *controltest.App, o control.Options) string {
	t.Helper()
	o.Operator, o.Registrar, o.Version = app, app, "1.2.3"
	path := testkit.TempSocket(t, "ctl.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := control.NewHastyServer(o, 200*time.Millisecond, 200*time.Millisecond)
	ended := make(chan error, 1)
	go func() { ended <- s.ServeBoth(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return path
}

func TestMalformedCallers(t *testing.T) {
	path := hasty(t, &controltest.App{}, control.Options{})
	for name, bytes := range map[string]string{
		"nothing":            "",
		"noise":              "\x00\x01\x02\xff\xfe\r\n\r\n",
		"TLS":                "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"HTTP/2":             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"no version":         "GET /v1/status\r\n\r\n",
		"no host":            "GET /v1/status HTTP/1.1\r\n\r\n",
		"bad header":         "GET /v1/status HTTP/1.1\r\nHost: ripd\r\n: x\r\n\r\n",
		"huge header":        "GET /v1/status HTTP/1.1\r\nHost: ripd\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"many headers":       "GET /v1/status HTTP/1.1\r\nHost: ripd\r\n" + strings.Repeat("X: y\r\n", 10000) + "\r\n",
		"huge target":        "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: ripd\r\n\r\n",
		"two lengths":        "POST /v1/scale HTTP/1.1\r\nHost: ripd\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		"negative length":    "POST /v1/scale HTTP/1.1\r\nHost: ripd\r\nContent-Length: -1\r\n\r\n{}",
		"huge length":        "POST /v1/scale HTTP/1.1\r\nHost: ripd\r\nContent-Length: 99999999999999\r\n\r\n{}",
		"half a body":        "POST /v1/scale HTTP/1.1\r\nHost: ripd\r\nContent-Length: 100\r\n\r\n{",
		"bad chunk":          "POST /v1/scale HTTP/1.1\r\nHost: ripd\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
		"body without end":   "POST /v1/scale HTTP/1.1\r\nHost: ripd\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("fff\r\n"+strings.Repeat("x", 0xfff)+"\r\n", 300),
		"CONNECT":            "CONNECT ripd:80 HTTP/1.1\r\nHost: ripd\r\n\r\n",
		"a query and a half": "GET /v1/status?%zz HTTP/1.1\r\nHost: ripd\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answer := raw(t, path, bytes)
			if strings.HasPrefix(answer, "HTTP/1.1 2") {
				t.Errorf("answered %.200q", answer)
			}
			if _, err := client(t, path).Status(context.Background()); err != nil {
				t.Errorf("a good caller afterwards: %v", err)
			}
		})
	}
}

// TestSlowCallers has callers that send a byte now and then, or nothing, or do
// not read. They are cut off, and others do not notice.
func TestSlowCallers(t *testing.T) {
	path := hasty(t, &controltest.App{}, control.Options{Heartbeat: time.Millisecond})
	var wg sync.WaitGroup
	for name, start := range map[string]string{
		"says nothing":       "",
		"half a header":      "GET /v1/status HTTP/1.1\r\nHost: ri",
		"no end of headers":  "GET /v1/status HTTP/1.1\r\nHost: ripd\r\n",
		"half a body":        "POST /v1/scale HTTP/1.1\r\nHost: ripd\r\nContent-Length: 100\r\n\r\n{",
		"events, not read":   "GET /v1/events HTTP/1.1\r\nHost: ripd\r\n\r\n",
		"no end of the body": "POST /v1/scale HTTP/1.1\r\nHost: ripd\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		wg.Go(func() {
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			io.WriteString(c, start)
			c.(*net.UnixConn).SetWriteBuffer(1)
			// The other end hangs up: writing fails then.
			if !testkit.Within(testkit.Timeout, func() bool {
				_, err := c.Write([]byte("x"))
				return err != nil
			}) {
				t.Errorf("%s: still connected", name)
			}
		})
	}
	for range 20 {
		c := client(t, path)
		if _, err := c.Status(context.Background()); err != nil {
			t.Errorf("a good caller meanwhile: %v", err)
		}
	}
	wg.Wait()
}

func TestCrowdDoesNotKeepOthersOut(t *testing.T) {
	path := hasty(t, &controltest.App{}, control.Options{Connections: 8})
	var crowd []net.Conn
	t.Cleanup(func() {
		for _, c := range crowd {
			c.Close()
		}
	})
	for range 50 { // more than the places; each says nothing
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, c)
	}
	c := client(t, path)
	testkit.Eventually(t, testkit.Timeout, func() bool {
		_, err := c.Status(context.Background())
		return err == nil
	}, "a place for one who speaks")
}

func TestRefusedConnectionIsTold(t *testing.T) {
	path := hasty(t, &controltest.App{}, control.Options{Connections: 2, Heartbeat: time.Hour})
	for range 2 { // two busy callers take both places
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /v1/events HTTP/1.1\r\nHost: ripd\r\n\r\n")
		if _, err := io.ReadFull(c, make([]byte, 12)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := client(t, path).Status(context.Background())
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeBusy || e.Hint == "" {
		t.Errorf("error: %v", err)
	}
}

// TestLongCallOutlivesTheDeadline has calls that take longer than an answer may: their
// answers arrive all the same.
func TestLongCallOutlivesTheDeadline(t *testing.T) {
	var fails bool
	app := &controltest.App{OnScale: func(ctx context.Context, _ api.ScaleRequest, _ func(api.Step)) (api.Scale, error) {
		deadline := time.NewTimer(500 * time.Millisecond) // longer than hasty's timeouts
		defer deadline.Stop()
		select {
		case <-deadline.C:
		case <-ctx.Done():
		}
		if fails {
			return api.Scale{}, api.Errorf(api.CodeBusy, "not now")
		}
		return api.Scale{Before: 1, After: 2}, ctx.Err()
	}}
	c := client(t, hasty(t, app, control.Options{}))
	if v, err := c.Scale(context.Background(), api.ScaleRequest{Workers: "2"}, nil); err != nil || !v.OK {
		t.Errorf("%+v, %v", v, err)
	}
	fails = true
	var e *api.Error
	if _, err := c.Scale(context.Background(), api.ScaleRequest{Workers: "2"}, nil); !errors.As(err, &e) || e.Code != api.CodeBusy {
		t.Errorf("error: %v", err)
	}
}

// FuzzControl sends any body to each call. The answer is a result or an error
// as documented, the server does not panic, and nothing outside of the known
// fields gets through.
func FuzzControl(f *testing.F) {
	for _, body := range []string{"", "{}", `{"workers":"+1"}`, `{"workerId":1}`, `{"all":true}`, `{"op":"register","app":"a","workerId":1,"files":["/x"]}`,
		`{"op":"deregister","app":"a","workerId":1}`, `{"workers":"3","workers":"4"}`, "[", "null", "\"", `{"a":{"b":[1,2,{"c":null}]}}`, "{} {}"} {
		for i := range control.Routes() {
			f.Add(uint8(i), body)
		}
	}
	app := &controltest.App{}
	handler := control.Handler(control.NewServer(control.Options{Operator: app, Registrar: app, Version: "1.2.3"}))
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		r := control.Routes()[int(which)%len(control.Routes())]
		ctx, cancel := context.WithCancel(context.Background())
		if r.Path == api.PathEvents {
			cancel() // it would not end by itself
		}
		defer cancel()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(r.Method, r.Path, strings.NewReader(body)).WithContext(ctx))
		if w.Code == http.StatusOK {
			return
		}
		var a api.ErrorAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Error == nil || a.Error.Message == "" || a.Error.Code == "" {
			t.Errorf("%s %s %q: %d %q", r.Method, r.Path, body, w.Code, w.Body)
		}
		if w.Code >= 500 {
			t.Errorf("%s %s %q: %d %q", r.Method, r.Path, body, w.Code, w.Body)
		}
	})
}

// TestEveryCallIsDocumented holds docs/control-api.md to the routes.
func TestEveryCallIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/control-api.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for _, r := range control.Routes() {
		title := fmt.Sprintf("\n### %s %s\n", r.Method, r.Path)
		_, section, ok := strings.Cut(doc, title)
		if !ok {
			t.Errorf("no section %q", strings.TrimSpace(title))
			continue
		}
		section, _, _ = strings.Cut(section, "\n### ")
		for _, part := range []string{"Who:", "Request:", "Answer:", "Errors:", "    curl ", "--unix-socket"} {
			if !strings.Contains(section, part) {
				t.Errorf("%s %s: no %q", r.Method, r.Path, part)
			}
		}
	}
	for _, code := range []api.Code{api.CodeUsage, api.CodeNotFound, api.CodeForbidden, api.CodeBusy, api.CodeFailed, api.CodeRolledBack, api.CodeVersion} {
		if !strings.Contains(doc, "`"+string(code)+"`") {
			t.Errorf("the code %q is not documented", code)
		}
	}
}
