package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// answering serves one answer, whatever the call, and gives a client for it.
func answering(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	path := testkit.TempSocket(t, "ctl.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	c := NewClient(path, "1.2.3")
	t.Cleanup(func() { c.Close(); s.Close(); <-done })
	return c
}

// ripd answers as ripd does.
func ripd(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(HeaderVersion, "1.2.3")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestReasonsForNoAnswer(t *testing.T) {
	dir := testkit.TempSocketDir(t)
	ctx := context.Background()
	left := filepath.Join(dir, "left.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, path := range []string{filepath.Join(dir, "none.sock"), left} {
		c := NewClient(path, "")
		if _, err := c.Status(ctx); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	stranger := answering(t, http.NotFound)
	if _, err := stranger.Status(ctx); !errors.Is(err, ErrNotRipd) {
		t.Errorf("a stranger: %v", err)
	}
}

func TestNoHTTP(t *testing.T) {
	path := testkit.TempSocket(t, "ctl.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 1024))
			io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n")
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	c := NewClient(path, "")
	defer c.Close()
	if _, err := c.Status(context.Background()); !errors.Is(err, ErrNotRipd) {
		t.Errorf("error: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		want string
	}{
		{"an error", ripd(409, `{"error":{"code":"busy","message":"a roll goes on","hint":"wait"}}`), "a roll goes on"},
		{"an error that is none", ripd(500, `oops`), "ripd answered 500 Internal Server Error"},
		{"an empty error", ripd(500, `{"error":{}}`), "ripd answered 500"},
		{"half an answer", ripd(200, `{"app":"shop"`), "read the answer of /v1/status"},
		{"no JSON", ripd(200, `<html>`), "read the answer of /v1/status"},
		{"endless", ripd(200, `{"app":"`+strings.Repeat("x", MaxAnswerBytes)+`"}`), "read the answer of /v1/status"},
		{"elsewhere", ripd(302, ""), "ripd answered 302"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := answering(t, c.h).Status(ctx); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestStreams(t *testing.T) {
	ctx := context.Background()
	step, verdict := `{"step":{"kind":"note","message":"a"}}`+"\n", `{"verdict":{"ok":true,"verdict":"done"}}`+"\n"
	for _, c := range []struct {
		name, body string
		steps      int
		want       error
		text       string
	}{
		{"good", step + "\n" + step + verdict, 2, nil, ""},
		{"unknown lines are passed over", `{"novelty":1}` + "\n" + step + verdict, 1, nil, ""},
		{"no verdict", step, 1, ErrCutOff, ""},
		{"nothing", "", 0, ErrCutOff, ""},
		{"noise", step + "noise\n", 1, nil, "read a step"},
		{"a line without end", strings.Repeat("x", MaxLineBytes+1), 0, nil, "token too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			steps := 0
			_, err := answering(t, ripd(200, c.body)).Restart(ctx, func(Step) { steps++ })
			if steps != c.steps || (c.want != nil && !errors.Is(err, c.want)) || !strings.Contains(fmt.Sprint(err), c.text) || (c.want == nil && c.text == "" && err != nil) {
				t.Errorf("%d steps, error %v", steps, err)
			}
		})
	}
	if err := answering(t, ripd(200, `{"kind":"heartbeat"}`+"\n")).Events(ctx, func(Event) error { return os.ErrClosed }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the reader's own error: %v", err)
	}
}

func TestWhatTheClientSends(t *testing.T) {
	var got http.Header
	c := answering(t, func(w http.ResponseWriter, q *http.Request) {
		got = q.Header
		ripd(200, `{"ok":true}`)(w, q)
	})
	if err := c.WithToken("secret").Deregister(context.Background(), Deregister{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{HeaderVersion: "1.2.3", HeaderToken: "secret", "Content-Type": TypeJSON} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
}
