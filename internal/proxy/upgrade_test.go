package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

func TestWebSocketEchoes(t *testing.T) {
	bothWays(t, nil, func(t *testing.T, r *rig) {
		r.worker(echoSocket)
		s := r.socket()
		sizes := []int{0, 1, 125, 126, 127, 128, 65535, 65536, 70_001, 3 << 20}
		for _, n := range sizes {
			data := make([]byte, n)
			rand.Read(data)
			go func() { _, _ = s.Write(frame{fin: true, op: opBinary, masked: true, data: data}.append(nil)) }()
			s.want(true, opBinary, data)
		}
		// A message in pieces, with a ping in its middle.
		s.send(false, opText, []byte("one "))
		s.send(true, opPing, []byte("alive?"))
		s.send(false, 0, []byte("two "))
		s.send(true, 0, []byte("three"))
		s.want(false, opText, []byte("one "))
		s.want(true, opPong, []byte("alive?"))
		s.want(false, 0, []byte("two "))
		s.want(true, 0, []byte("three"))
		// Byte by byte.
		for _, b := range (frame{fin: true, op: opText, masked: true, data: bytes.Repeat([]byte("x"), 200)}).append(nil) {
			s.write(string([]byte{b}))
		}
		s.want(true, opText, bytes.Repeat([]byte("x"), 200))
		// Many in one segment.
		var many []byte
		for i := range 100 {
			many = frame{fin: true, op: opText, masked: true, data: []byte(fmt.Sprint(i))}.append(many)
		}
		s.write(string(many))
		for i := range 100 {
			s.want(true, opText, []byte(fmt.Sprint(i)))
		}
		s.send(true, opClose, []byte{0x03, 0xe8, 'b', 'y', 'e'})
		s.want(true, opClose, []byte{0x03, 0xe8, 'b', 'y', 'e'})
		s.ends()
	})
}

// In maintenance a request for another protocol is refused as any other is, also when it
// waits, and its connection goes on; who has switched before is left alone.
func TestUpgradesInMaintenance(t *testing.T) {
	bothWays(t, func(o *proxy.Options) { upgradeSettings(o); o.Config.Queue.Size = 8 }, func(t *testing.T, r *rig) {
		w := r.worker(echoSocket)
		s := r.socket()
		if err := r.server.Pool().Drain(w); err != nil {
			t.Fatal(err)
		}
		const ask = "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
		c := r.dial()
		c.write(ask)
		testkit.Eventually(t, testkit.Timeout, func() bool { return queued(r.server.Pool(), r) == 1 })
		r.server.Maintain(true)
		for range 2 { // the second did not wait
			if res, body := c.read("GET"); res.StatusCode != 503 || res.Close || !strings.Contains(body, "being worked on") {
				t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
			}
			c.write(ask)
		}
		c.read("GET")
		c.get("/status", 200, "healthy")
		s.send(true, opText, []byte("still here"))
		s.want(true, opText, []byte("still here"))
	})
}

// A frame that breaks the rules is the worker's to judge.
func TestWebSocketPassesTheInvalid(t *testing.T) {
	r := newRig(t, upgradeSettings)
	r.worker(echoSocket)
	s := r.socket()
	s.write(string(frame{fin: true, op: opText, data: []byte("not masked")}.append(nil)))
	s.want(true, opClose, []byte{0x03, 0xea})
	s.ends()
	s = r.socket()
	s.send(true, 0xb, []byte("reserved"))
	s.want(true, 0xb, []byte("reserved"))
	s.send(false, opPing, bytes.Repeat([]byte("x"), 500))
	s.want(false, opPong, bytes.Repeat([]byte("x"), 500))
}

func TestWebSocketLeavesItsSlot(t *testing.T) {
	bothWays(t, nil, func(t *testing.T, r *rig) {
		w := r.worker(echoSocket) // one slot
		s := r.socket()
		c := r.dial()
		for i := range 3 {
			c.get(fmt.Sprintf("/%d", i), 200, fmt.Sprintf("GET /%d", i))
			s.echoed("still here")
		}
		info := r.server.Pool().Info(w, r.server.Now())
		if info.Upgraded != 1 || info.InFlight != 0 || r.server.Stats().Upgraded != 1 {
			t.Fatalf("%+v", info)
		}
		s.Close()
		testkit.Eventually(t, testkit.Timeout, func() bool {
			return r.server.Pool().Info(w, r.server.Now()).Upgraded == 0 && r.server.Stats().Upgraded == 0
		})
	})
}

func TestUpgradesAreBounded(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { upgradeSettings(o); o.Config.Workers.Upgrades = 2 })
	r.worker(echoSocket)
	r.worker(echoSocket)
	var all []*socket
	for range 4 {
		all = append(all, r.socket())
	}
	c := r.dial()
	c.write(upgradeHead)
	if res, body := c.read("GET"); res.StatusCode != 503 || !strings.Contains(body, "connections of this kind") {
		t.Fatal(res.Status, body)
	}
	c.get("/plain", 200, "/plain")
	for _, s := range all {
		s.echoed("in the bound")
	}
	all[0].Close()
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Upgraded == 3 })
	r.socket().echoed("in its place")
}

func TestUpgradeIsRefused(t *testing.T) {
	bothWays(t, nil, func(t *testing.T, r *rig) {
		r.worker(handler(func(req *http.Request) string {
			if req.URL.Path == "/offer" {
				return "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno"
			}
			return ok(req.RequestURI + " " + req.Header.Get("Upgrade"))
		}))
		c := r.dial()
		// The answer is an ordinary one, and what follows is the next request.
		c.write(upgradeHead + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, body := c.read("GET"); body != "/chat websocket" {
			t.Fatal(body)
		}
		if _, body := c.read("GET"); body != "/next " {
			t.Fatal(body)
		}
		c.write("GET /offer HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c, foo/1\r\n\r\n")
		if res, _ := c.read("GET"); res.StatusCode != 426 || res.Header.Get("Upgrade") != "websocket" || !strings.EqualFold(res.Header.Get("Connection"), "upgrade") {
			t.Fatal(res.StatusCode, res.Header)
		}
		// With a body it is no upgrade.
		c.write("POST /body HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi")
		if _, body := c.read("POST"); body != "/body " {
			t.Fatal(body)
		}
		c.write("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
		if res, _ := c.read("CONNECT"); res.StatusCode != 501 {
			t.Fatal(res.Status)
		}
	})
}

// tail echoes bytes of a protocol that has no frames, and ends when the client ends.
func tail(head string) func(net.Conn) {
	return func(c net.Conn) {
		br := bufio.NewReader(c)
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		if _, err := io.WriteString(c, head); err != nil {
			return
		}
		_, _ = io.Copy(c, br)
	}
}

const other = "HTTP/1.1 101 Go On\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n"

// What comes in one piece with a head belongs to the other protocol, both ways; each
// side can end before the other.
func TestUpgradeEarlyBytesAndHalfClose(t *testing.T) {
	bothWays(t, nil, func(t *testing.T, r *rig) {
		r.worker(tail(other + "hello "))
		c := r.dial()
		c.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: bar, foo\r\n\r\nearly ")
		c.switched()
		c.write("late")
		end(t, c)
		if b, err := io.ReadAll(c.br); err != nil || string(b) != "hello early late" {
			t.Fatalf("%q %v", b, err)
		}
	})
}

// end ends the client's side.
func end(t *testing.T, c *client) {
	t.Helper()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		t.Fatal("no half close")
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

func TestUpgradeNobodyAskedFor(t *testing.T) {
	for name, answer := range map[string]string{
		"another protocol": strings.Replace(other, "foo", "bar", 1), "none": "HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n",
		"not named": "HTTP/1.1 101 X\r\nUpgrade: foo\r\n\r\n", "h2c": strings.Replace(other, "foo", "h2c", 1),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, upgradeSettings)
			r.worker(tail(answer))
			c := r.dial()
			c.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo, h2c\r\n\r\n")
			if res, _ := c.read("GET"); res.StatusCode != 502 {
				t.Fatal(res.Status)
			}
		})
	}
}
