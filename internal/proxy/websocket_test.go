package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"ripd/internal/proxy"
)

// This file holds a WebSocket peer for tests (RFC 6455), of its own making: it shares
// nothing with what ripd knows of the protocol.

const (
	opText, opBinary, opClose, opPing, opPong = 1, 2, 8, 9, 10
)

// frame is one frame as a peer sees it.
type frame struct {
	fin    bool
	op     byte
	masked bool
	data   []byte
}

func (f frame) append(b []byte) []byte {
	first := f.op
	if f.fin {
		first |= 0x80
	}
	mask := byte(0)
	if f.masked {
		mask = 0x80
	}
	b = append(b, first)
	switch n := len(f.data); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if !f.masked {
		return append(b, f.data...)
	}
	key := [4]byte{0x12, 0x9a, 0xff, 0x07}
	b = append(b, key[:]...)
	for i, c := range f.data {
		b = append(b, c^key[i%4])
	}
	return b
}

func readFrame(br *bufio.Reader) (f frame, err error) {
	var head [2]byte
	if _, err = io.ReadFull(br, head[:]); err != nil {
		return f, err
	}
	f.fin, f.op, f.masked = head[0]&0x80 != 0, head[0]&0xf, head[1]&0x80 != 0
	length := uint64(head[1] & 0x7f)
	if more := map[uint64]int{126: 2, 127: 8}[length]; more > 0 {
		var wide [8]byte
		if _, err = io.ReadFull(br, wide[8-more:]); err != nil {
			return f, err
		}
		length = binary.BigEndian.Uint64(wide[:])
	}
	var key [4]byte
	if f.masked {
		if _, err = io.ReadFull(br, key[:]); err != nil {
			return f, err
		}
	}
	if length > 64<<20 {
		return f, fmt.Errorf("a frame of %d bytes", length)
	}
	f.data = make([]byte, length)
	_, err = io.ReadFull(br, f.data)
	for i := range f.data {
		f.data[i] ^= key[i%4]
	}
	return f, err
}

// acceptKey answers Sec-WebSocket-Key (RFC 6455 section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func switching(key string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey(key) + "\r\n\r\n"
}

// echoSocket is a worker: it answers plain requests, and echoes the messages of those
// that ask for WebSocket. It answers pings, and a close frame with the same one.
func echoSocket(c net.Conn) {
	br := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if req.Header.Get("Upgrade") != "websocket" || req.Header.Get("Connection") != "Upgrade" {
			if _, err := io.WriteString(c, echo(req)); err != nil {
				return
			}
			continue
		}
		if _, err := io.WriteString(c, switching(req.Header.Get("Sec-WebSocket-Key"))); err != nil {
			return
		}
		echoFrames(c, br)
		return
	}
}

func echoFrames(c net.Conn, br *bufio.Reader) {
	for {
		f, err := readFrame(br)
		if err != nil {
			return
		}
		if !f.masked {
			_, _ = c.Write(frame{fin: true, op: opClose, data: []byte{0x03, 0xea}}.append(nil))
			return
		}
		f.masked = false
		if f.op == opPing {
			f.op = opPong
		}
		if _, err := c.Write(f.append(nil)); err != nil || f.op == opClose {
			return
		}
	}
}

// socket is a client that speaks WebSocket.
type socket struct{ *client }

const upgradeHead = "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// socket opens a WebSocket.
func (r *rig) socket() *socket {
	r.t.Helper()
	c := r.dial()
	c.write(upgradeHead)
	res := c.switched()
	if got := res.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || res.Header.Get("X-Request-Id") == "" {
		r.t.Fatalf("the answer is not the worker's: %v", res.Header)
	}
	return &socket{c}
}

// switched reads the head of a 101.
func (c *client) switched() *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.br, &http.Request{Method: "GET"})
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode != 101 {
		body, _ := io.ReadAll(res.Body)
		c.t.Fatalf("got %s %s", res.Status, body)
	}
	return res
}

func (s *socket) send(fin bool, op byte, data []byte) {
	s.t.Helper()
	s.write(string(frame{fin: fin, op: op, masked: true, data: data}.append(nil)))
}

func (s *socket) want(fin bool, op byte, data []byte) {
	s.t.Helper()
	f, err := readFrame(s.br)
	if err != nil {
		s.t.Fatalf("read a frame: %v", err)
	}
	if f.masked || f.fin != fin || f.op != op || !bytes.Equal(f.data, data) {
		s.t.Fatalf("got fin %v, opcode %d, masked %v, %d bytes %.20q; want fin %v, opcode %d, %d bytes", f.fin, f.op, f.masked, len(f.data), f.data, fin, op, len(data))
	}
}

// echoed sends a message and wants it back.
func (s *socket) echoed(text string) {
	s.t.Helper()
	s.send(true, opText, []byte(text))
	s.want(true, opText, []byte(text))
}

// closed wants a close frame with the code, answers it, and wants the end.
func (s *socket) closed(code uint16) {
	s.t.Helper()
	s.want(true, opClose, binary.BigEndian.AppendUint16(nil, code))
	_, err := s.Write(frame{fin: true, op: opClose, masked: true, data: binary.BigEndian.AppendUint16(nil, code)}.append(nil))
	if err != nil && !errors.Is(err, net.ErrClosed) {
		s.t.Fatal(err)
	}
	s.ends()
}

// upgradeSettings lets workers have upgrades.
func upgradeSettings(o *proxy.Options) {
	o.Config.Workers.Upgrades = 4
	o.Config.Timeouts.UpgradeIdle = 0
	o.Config.Timeouts.UpgradeDrain = 0
}

// bothWays runs a test over plain connections and over TLS.
func bothWays(t *testing.T, configure func(*proxy.Options), test func(*testing.T, *rig)) {
	t.Helper()
	set := func(o *proxy.Options) {
		upgradeSettings(o)
		if configure != nil {
			configure(o)
		}
	}
	t.Run("plain", func(t *testing.T) { test(t, newRig(t, set)) })
	t.Run("tls", func(t *testing.T) { test(t, newSecureRig(t, set)) })
}
