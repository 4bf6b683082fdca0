package metrics

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// openDoor serves a door on a socket, and returns how to connect to it.
func openDoor(t *testing.T) (dial func() net.Conn, door *Door) {
	t.Helper()
	path := filepath.Join(testkit.TempSocketDir(t), "metrics.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	door = NewDoor(sample(), slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- door.Serve(l) }()
	t.Cleanup(func() {
		door.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return func() net.Conn {
		t.Helper()
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
		return c
	}, door
}

func ask(t *testing.T, c net.Conn, method, path string) (status int, body string) {
	t.Helper()
	if _, err := io.WriteString(c, method+" "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// A door shows the metrics, and nothing else.
func TestDoor(t *testing.T) {
	dial, _ := openDoor(t)
	c := dial()
	for range 2 {
		if status, body := ask(t, c, "GET", "/metrics"); status != 200 || !strings.Contains(body, `ripd_queue_length{app="shop"} 3`) {
			t.Errorf("%d %s", status, body)
		}
	}
	for call, want := range map[string]int{"GET /": 404, "GET /metrics/": 404, "GET /v1/status": 404, "GET /debug/pprof/": 404, "POST /metrics": 405, "HEAD /metrics": 200} {
		method, path, _ := strings.Cut(call, " ")
		if status, _ := ask(t, dial(), method, path); status != want {
			t.Errorf("%s: %d, want %d", call, status, want)
		}
	}
}

// A connection beyond the bound waits for a place; a door that is closed while one
// waits ends all the same.
func TestDoorHasABound(t *testing.T) {
	dial, door := openDoor(t)
	held := make([]net.Conn, MaxScrapers)
	for i := range held {
		held[i] = dial()
		ask(t, held[i], "GET", "/metrics")
	}
	late := dial()
	if _, err := io.WriteString(late, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = late.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := late.Read(make([]byte, 1)); err == nil {
		t.Fatal("it was answered beyond the bound")
	}
	held[0].Close()
	_ = late.SetReadDeadline(time.Now().Add(testkit.Timeout))
	if answer, err := http.ReadResponse(bufio.NewReader(late), nil); err != nil || answer.StatusCode != 200 {
		t.Errorf("%v, %v", answer, err)
	}
	door.Close()
}
