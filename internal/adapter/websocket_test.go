package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ripd/internal/testkit"
	"ripd/internal/wscases"
)

// The adapter's own WebSockets keep to the protocol in each case, to the code of the
// close frame. It does not compress.
func TestASGIWebSocketCases(t *testing.T) {
	w := startJS(t, asgiEngine, pythonApp(t, "sockets.py"))
	var group sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, c := range wscases.All() {
		if c.Long {
			continue
		}
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			want := wscases.OK
			if strings.HasPrefix(c.Name, "12.") || strings.HasPrefix(c.Name, "13.") {
				want = wscases.NotAgreed
			}
			v := c.Run(func() (net.Conn, error) { return net.Dial("unix", w.socket) }, "shop.example", "/echo")
			if v.Grade != want {
				t.Errorf("%s (%s): %v", c.Name, c.What, v)
			}
		})
	}
	group.Wait()
	w.stops(t)
	if got := w.Stderr.String(); got != "" {
		t.Errorf("its log: %s", got)
	}
}

// socket opens a WebSocket. The file of notes is what the app is told to write to.
func (w *jsWorker) open(t *testing.T, path, notes string) *websocket.Conn {
	t.Helper()
	c, _, err := w.tryOpen(t, path, notes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *jsWorker) tryOpen(t *testing.T, path, notes string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	c, answer, err := websocket.Dial(ctx, "ws://shop.example"+path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: w.client.Transport}, Subprotocols: []string{"first", "second"},
		HTTPHeader: http.Header{"X-Test": {notes}},
	})
	if err == nil {
		c.SetReadLimit(-1)
		t.Cleanup(func() { c.CloseNow() })
	}
	return c, answer, err
}

// says reads one message, or how the connection was closed.
func says(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	_, data, err := c.Read(ctx)
	if closed := (websocket.CloseError{}); errors.As(err, &closed) {
		return fmt.Sprint(int(closed.Code), " ", closed.Reason)
	}
	if err != nil {
		return "error " + err.Error()
	}
	return string(data)
}

func tell(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// stops ends the worker, and wants no error.
func (w *jsWorker) stops(t *testing.T) {
	t.Helper()
	if err := w.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := w.Wait(t, startMost); code != 0 {
		t.Errorf("exit code %d: %s", code, w.Stderr)
	}
}

// notes waits until the app has written what is wanted.
func notes(t *testing.T, file, want string) {
	t.Helper()
	got := ""
	if !testkit.Within(startMost, func() bool {
		data, err := os.ReadFile(file)
		got = string(data)
		return err == nil && strings.Contains(got, want)
	}) {
		t.Errorf("the app noted %q, without %q", got, want)
	}
}

// What an app answers in the place of a 101, and what it can say with it.
func TestASGIWebSocketAnswers(t *testing.T) {
	w := startJS(t, asgiEngine, pythonApp(t, "sockets.py"))
	for path, want := range map[string]string{
		"/403": "403 Forbidden\n", "/404": "404 no such room", "/500": "500 Internal Server Error\n", "/nothing": "500 Internal Server Error\n",
	} {
		_, answer, err := w.tryOpen(t, path, "")
		if err == nil || answer == nil {
			t.Fatalf("%s: %v", path, err)
		}
		body, _ := io.ReadAll(answer.Body) // the library has kept the beginning
		if got := fmt.Sprint(answer.StatusCode, " ", string(body)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		if path == "/404" && answer.Header.Get("X-Own") != "yes" {
			t.Errorf("%v", answer.Header)
		}
	}
	for _, c := range []struct{ head, want string }{
		{"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "HTTP/1.1 426 "},
		{"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=\r\n", "HTTP/1.1 400 "},
		{"Sec-WebSocket-Version: 13\r\n", "HTTP/1.1 400 "},
	} {
		_, in := w.raw(t, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+c.head+"\r\n")
		expect(t, in, c.want)
	}
	c, answer, err := w.tryOpen(t, "/chosen", "")
	if err != nil || c.Subprotocol() != "second" || answer.Header.Get("X-Own") != "yes" {
		t.Fatal(err, answer)
	}
	want := `{"type": "websocket", "scheme": "ws", "path": "/chosen", "subprotocols": ["first", "second"], "http_version": "1.1", "extensions": {"websocket.http.response": {}}}`
	if got := says(t, c); got != want {
		t.Errorf("%s", got)
	}
	if got := says(t, c); got != "1000 " { // the app has returned
		t.Errorf("%q", got)
	}
	if got := says(t, w.open(t, "/late", "")); got != "1011 " {
		t.Errorf("%q", got)
	}
	if got, want := says(t, w.open(t, "/close", "")), "4001 "+strings.Repeat("ö", 61); got != want {
		t.Errorf("%q", got)
	}
	for _, what := range []string{"before the answer", "behind the answer", "without a complete answer"} {
		w.Stderr.WaitFor(t, testkit.Timeout, what)
	}
	if got := w.get("/"); got != "200 first" {
		t.Errorf("a request after all these: %q", got)
	}
	w.stops(t)
}

// What an app is told of the end.
func TestASGIWebSocketEnds(t *testing.T) {
	w := startJS(t, asgiEngine, pythonApp(t, "sockets.py"), "RIP_CONCURRENCY=2")
	file := func() string { return filepath.Join(t.TempDir(), "notes") }

	told := file()
	c := w.open(t, "/echo", told)
	if err := c.Close(4000, "enough"); err != nil {
		t.Error(err)
	}
	notes(t, told, `{"type": "websocket.disconnect", "code": 4000, "reason": "enough"}`)

	told = file()
	w.open(t, "/echo", told).CloseNow()
	notes(t, told, `"code": 1006`)

	told = file() // before the app has answered
	conn, _ := w.raw(t, "GET /never HTTP/1.1\r\nHost: x\r\nX-Test: "+told+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	notes(t, told, "asked")
	conn.Close()
	notes(t, told, `{"type": "websocket.disconnect", "code": 1006, "reason": ""}`)

	told, stuck := file(), file() // the worker ends; an app that does not return has some seconds
	c, hung := w.open(t, "/echo", told), w.open(t, "/stuck", stuck)
	notes(t, stuck, "accepted")
	if err := w.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, one := range []*websocket.Conn{c, hung} {
		if got := says(t, one); got != "1001 the server ends" {
			t.Errorf("%q", got)
		}
	}
	notes(t, told, `"code": 1001`)
	notes(t, stuck, "cancelled")
	if code := w.Wait(t, startMost); code != 0 {
		t.Errorf("exit code %d: %s", code, w.Stderr)
	}
}

// Code that has changed takes the place of the old one; its clients are to come back.
func TestASGIWebSocketsOfOldCode(t *testing.T) {
	dir := newFolder(t)
	source, err := os.ReadFile(pythonApp(t, "sockets.py"))
	if err != nil {
		t.Fatal(err)
	}
	dir.save("sockets.py", string(source))
	w := startJS(t, asgiEngine, dir.path("sockets.py"), "RIP_RELOAD=module", "RIP_DEVELOPMENT=1")
	c := w.open(t, "/echo", "")
	tell(t, c, "mark")
	if got := says(t, c); got != "first" {
		t.Errorf("%q", got)
	}
	dir.save("sockets.py", strings.Replace(string(source), `"first"`, `"second"`, 1))
	if got := w.get("/"); got != "200 second" {
		t.Errorf("%q", got)
	}
	if got := says(t, c); got != "1012 the app was loaded anew" {
		t.Errorf("%q", got)
	}
	c = w.open(t, "/echo", "")
	tell(t, c, "mark")
	if got := says(t, c); got != "second" {
		t.Errorf("%q", got)
	}
	dir.save("sockets.py", "app = (")
	if _, answer, err := w.tryOpen(t, "/echo", ""); err == nil || answer.StatusCode != 500 || answer.Header.Get("Rip-Worker-Error") == "" {
		t.Errorf("%v %v", err, answer)
	}
	tell(t, c, "mark") // nothing better is there
	if got := says(t, c); got != "second" {
		t.Errorf("%q", got)
	}
	c.CloseNow()
	w.stops(t)
}

// Who takes nothing is sent nothing: neither side's bytes pile up in the worker.
func TestASGIWebSocketPressure(t *testing.T) {
	w := startJS(t, asgiEngine, pythonApp(t, "sockets.py"), "RIP_MESSAGE_BYTES=200000")
	told := filepath.Join(t.TempDir(), "notes")
	c := w.open(t, "/flood", told)
	const kept = 64 // messages of 64 KB: more than all buffers on the way take
	notes(t, told, "\n")
	for range 8 { // the client reads some, and the app sends as many
		if got := says(t, c); len(got) != 65536 {
			t.Fatalf("%d bytes", len(got))
		}
	}
	data, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	if sent := strings.Count(string(data), "\n"); sent > kept {
		t.Errorf("%d messages were sent to a client that has read 8", sent)
	}
	c.CloseNow()
	notes(t, told, "Gone: ")

	// An app that does not receive: the client cannot send for long.
	stuck := filepath.Join(t.TempDir(), "notes")
	raw, in := w.raw(t, "GET /stuck HTTP/1.1\r\nHost: x\r\nX-Test: "+stuck+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	expect(t, in, "HTTP/1.1 101 ")
	grown := func() int64 {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", w.PID()))
		if err != nil {
			t.Fatal(err)
		}
		pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return pages * int64(os.Getpagesize())
	}
	before := grown()
	if err := raw.SetWriteDeadline(time.Now().Add(testkit.Timeout / 20)); err != nil {
		t.Fatal(err)
	}
	piece, sent := append([]byte{0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0}, make([]byte, 65535)...), 0
	for sent < 512 {
		if _, err := raw.Write(piece); err != nil {
			break // there is no room any more
		}
		sent++
	}
	if more := grown() - before; sent > 256 || more > 16<<20 {
		t.Errorf("%d messages of 64 KB were taken, and the worker has grown by %d MB", sent, more>>20)
	}
	raw.Close()

	// A message that is too long.
	c = w.open(t, "/echo", "")
	tell(t, c, strings.Repeat("x", 200_001))
	if got := says(t, c); got != "1009 a message is longer than 200000 bytes" {
		t.Errorf("%q", got)
	}
}
