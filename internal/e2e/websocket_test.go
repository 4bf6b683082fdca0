package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/testkit"
)

// echoApp answers with its process id, and echoes the short messages of WebSockets.
const echoApp = `
import http from 'node:http';
import { createHash } from 'node:crypto';

const server = http.createServer((req, res) => res.end(String(process.pid)));
server.on('upgrade', (req, socket, head) => {
  const key = createHash('sha1').update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' + key + '\r\n\r\n');
  let kept = Buffer.alloc(0);
  const take = (data) => {
    kept = Buffer.concat([kept, data]);
    while (kept.length >= 6 && kept.length >= 6 + (kept[1] & 127)) {
      const size = kept[1] & 127;
      const mask = kept.subarray(2, 6);
      const body = Buffer.from(kept.subarray(6, 6 + size)).map((byte, i) => byte ^ mask[i % 4]);
      socket.write(Buffer.concat([Buffer.from([kept[0], size]), body]));
      if ((kept[0] & 15) === 8) return socket.end();
      kept = kept.subarray(6 + size);
    }
  };
  socket.on('data', take);
  socket.on('error', () => {});
  if (head.length > 0) take(head);
});
server.listen(process.env.SOCKET_PATH);
`

const bunApp = `
export default {
  fetch(request, server) {
    if (server.upgrade(request)) return;
    return new Response(String(process.pid));
  },
  websocket: { message(socket, text) { socket.send(text); } },
};
`

// webSocket is a client's end.
type webSocket struct {
	t *testing.T
	net.Conn
	br *bufio.Reader
}

func (a *app) webSocket(t *testing.T) *webSocket {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(startMost))
	if _, err := io.WriteString(c, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	s := &webSocket{t, c, bufio.NewReader(c)}
	res, err := http.ReadResponse(s.br, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatal(res, err)
	}
	return s
}

// send sends a short frame, masked with zeros.
func (s *webSocket) send(op byte, text []byte) {
	s.t.Helper()
	if _, err := s.Write(append([]byte{0x80 | op, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *webSocket) want(op byte, text []byte) {
	s.t.Helper()
	got := make([]byte, 2+len(text))
	if _, err := io.ReadFull(s.br, got); err != nil {
		s.t.Fatal(err)
	}
	if want := append([]byte{0x80 | op, byte(len(text))}, text...); !bytes.Equal(got, want) {
		s.t.Fatalf("got %q, want %q", got, want)
	}
}

func (s *webSocket) echoes(text string) {
	s.t.Helper()
	s.send(1, []byte(text))
	s.want(1, []byte(text))
}

// closed wants a close frame that says 1001, answers it, and wants the end.
func (s *webSocket) closed() {
	s.t.Helper()
	code := binary.BigEndian.AppendUint16(nil, 1001)
	s.want(8, code)
	s.send(8, code)
	if b, err := io.ReadAll(s.br); err != nil || len(b) > 0 {
		s.t.Fatalf("after the close frame: %q %v", b, err)
	}
}

// WebSockets through the adapters for Node.js, Bun and ASGI, with a roll, an upgrade of ripd
// and a stop.
func TestWebSocketsOfNode(t *testing.T) {
	testkit.Need(t, "node")
	webSockets(t, "app.mjs", echoApp)
}

func TestWebSocketsOfBun(t *testing.T) {
	t.Setenv("PATH", filepath.Dir(testkit.Bun(t))+":"+os.Getenv("PATH"))
	t.Setenv("RIP_ADAPTER", "bun")
	webSockets(t, "app.mjs", bunApp)
}

func TestWebSocketsOfPython(t *testing.T) {
	needPython(t, "starlette")
	t.Setenv("PATH", filepath.Dir(debianPython)+":"+os.Getenv("PATH"))
	webSockets(t, "asgi.py", starletteApp)
}

func TestWebSocketsOfRack(t *testing.T) {
	needGems(t, "websocket-driver")
	webSockets(t, "config.ru", driverApp)
}

func webSockets(t *testing.T, name, text string) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RIP_TIMEOUTS_UPGRADE_DRAIN", "1s")
	a := serve(t, filepath.Join(dir, name), "w:2")
	upgraded := func() (n int) {
		t.Helper()
		list, err := ask[api.WorkerList](a, "workers")
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range list.Workers {
			n += w.Upgraded
		}
		return n
	}
	var open []*webSocket
	for i := range 4 {
		s := a.webSocket(t)
		s.echoes(fmt.Sprint("hello ", i))
		open = append(open, s)
	}
	if got := a.do("GET", "/", ""); !strings.HasPrefix(got, "200 ") {
		t.Fatal(got)
	}
	if n := upgraded(); n != 4 {
		t.Fatalf("%d of 4 are shown", n)
	}
	if _, out, _ := a.ctl("workers"); !strings.Contains(out, "UPGRADED") {
		t.Errorf("no column:\n%s", out)
	}
	if st, err := a.status(); err != nil || st.Upgraded != 4 {
		t.Fatal(st.Upgraded, err)
	}
	before := a.workers(t)
	rolled := make(chan string, 1)
	go func() {
		code, out, errOut := a.ctl("restart")
		rolled <- fmt.Sprint(code, out, errOut)
	}()
	for _, s := range open {
		s.closed()
	}
	if got := testkit.Receive(t, startMost, rolled); !strings.HasPrefix(got, "0") {
		t.Fatal(got)
	}
	for _, w := range before { // they have ended in their own time
		testkit.Eventually(t, startMost, func() bool { return gone(w.PID) }, "worker %d has ended", w.ID)
	}
	s := a.webSocket(t)
	s.echoes("a new worker")
	if got := upgraded(); got != 1 {
		t.Fatal(got)
	}
	upgrading := make(chan string, 1)
	go func() {
		code, out, errOut := a.ctl("upgrade")
		upgrading <- fmt.Sprint(code, out, errOut)
	}()
	s.closed() // by the ripd that leaves
	if got := testkit.Receive(t, startMost, upgrading); !strings.HasPrefix(got, "0") {
		t.Fatal(got)
	}
	next := a.successor(t, a.ripd.PID())
	s = a.webSocket(t)
	s.echoes("a new ripd")

	stopped := make(chan int, 1)
	go func() {
		code, _, _ := a.ctl("stop")
		stopped <- code
	}()
	s.closed()
	if code := testkit.Receive(t, startMost, stopped); code != 0 {
		t.Fatal(code)
	}
	testkit.Eventually(t, startMost, func() bool { return gone(next.PID) }, "the end of process %d", next.PID)
	if code := a.ripd.Wait(t, startMost); code != 0 {
		t.Fatal(code)
	}
}
