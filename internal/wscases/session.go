package wscases

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"
)

// The opcodes (RFC 6455 section 11.8).
const (
	opContinuation, opText, opBinary, opClose, opPing, opPong = 0, 1, 2, 8, 9, 10
)

// frame is a frame as a client sends it.
type frame struct {
	fin      bool
	reserved byte // the three reserved bits: 4, 2, 1
	op       byte
	data     []byte
	unmasked bool
	long     bool // the length is given in eight bytes, however short it is
}

// maskKey is the key of each frame. It need not be a secret here.
var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

func (f frame) append(b []byte) []byte {
	first, mask := f.op|f.reserved<<4, byte(0x80)
	if f.fin {
		first |= 0x80
	}
	if f.unmasked {
		mask = 0
	}
	b = append(b, first)
	switch n := len(f.data); {
	case n > 0xffff || f.long:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	case n > 125:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = append(b, mask|byte(n))
	}
	if f.unmasked {
		return append(b, f.data...)
	}
	b = append(b, maskKey[:]...)
	at := len(b)
	b = append(b, f.data...)
	for i := range f.data {
		b[at+i] ^= maskKey[i%4]
	}
	return b
}

func closeData(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

// closeCode looks at what is in a close frame. 0 stands for one that is empty.
func closeCode(data []byte) (int, error) {
	switch {
	case len(data) == 0:
		return 0, nil
	case len(data) == 1:
		return 0, &brokenError{"a close frame with half a code"}
	case !utf8.Valid(data[2:]):
		return 0, &brokenError{"a close frame whose reason is no UTF-8"}
	}
	return int(binary.BigEndian.Uint16(data)), nil
}

// brokenError is a server's breach of the protocol.
type brokenError struct{ what string }

func (e *brokenError) Error() string { return "the server sent " + e.what }

// session is an open WebSocket.
type session struct {
	nc     net.Conn
	br     *bufio.Reader
	packer *packer // of the agreed extension; nil without one

	mu sync.Mutex // writing: the script goes on beside answers

	parts  []byte // of a message that is not complete
	op     byte   // of that message; 0: there is none
	packed bool   // it is compressed
}

const clientKey = "dGhlIHNhbXBsZSBub25jZQ=="

// open asks for a WebSocket.
func open(nc net.Conn, host, path, offer string) (*session, error) {
	extensions := ""
	if offer != "" {
		extensions = "Sec-WebSocket-Extensions: " + offer + "\r\n"
	}
	_, err := fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n",
		path, host, clientKey, extensions)
	if err != nil {
		return nil, fmt.Errorf("ask for a WebSocket: %w", err)
	}
	s := &session{nc: nc, br: bufio.NewReaderSize(nc, 64<<10)}
	answer, err := http.ReadResponse(s.br, &http.Request{Method: "GET"})
	if err != nil {
		return nil, fmt.Errorf("ask for a WebSocket: %w", err)
	}
	sum := sha1.Sum([]byte(clientKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if answer.StatusCode != 101 || answer.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("the answer is no WebSocket: %s, Sec-WebSocket-Accept %q", answer.Status, answer.Header.Get("Sec-WebSocket-Accept"))
	}
	agreed := strings.Join(answer.Header.Values("Sec-WebSocket-Extensions"), ",")
	if agreed != "" && offer == "" {
		return nil, fmt.Errorf("the server agrees to %q, which was not offered", agreed)
	}
	s.packer, err = newPacker(agreed)
	return s, err
}

func (s *session) send(f frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.nc.Write(f.append(nil))
	return err
}

// next reads up to the next whole message, pong or close frame. Pings are left
// unanswered: no server asks twice within a case.
func (s *session) next() (message, error) {
	for {
		f, err := s.frame()
		if err != nil {
			return message{}, err
		}
		switch f.op {
		case opPing:
		case opPong, opClose:
			return message{f.op, f.data}, nil
		default:
			if m, whole, err := s.part(f); whole || err != nil {
				return m, err
			}
		}
	}
}

// part takes a frame of a message. It reports whether the message is complete.
func (s *session) part(f frame) (m message, whole bool, err error) {
	switch {
	case f.op == opContinuation && s.op == 0:
		return m, false, &brokenError{"a continuation of nothing"}
	case f.op != opContinuation && s.op != 0:
		return m, false, &brokenError{"a message within a message"}
	case f.op != opContinuation:
		s.op, s.packed = f.op, f.reserved == 4
	case f.reserved != 0:
		return m, false, &brokenError{"a continuation that claims to be compressed"}
	}
	s.parts = append(s.parts, f.data...)
	if !f.fin {
		return m, false, nil
	}
	m = message{s.op, s.parts}
	s.parts, s.op = nil, 0
	if s.packed {
		if m.data, err = s.packer.unpack(m.data); err != nil {
			return m, false, &brokenError{fmt.Sprintf("a message that cannot be decompressed: %v", err)}
		}
	}
	if m.op == opText && !utf8.Valid(m.data) {
		return m, false, &brokenError{fmt.Sprintf("text that is no UTF-8: %.40q", m.data)}
	}
	return m, true, nil
}

// frame reads one frame, and looks whether it is one.
func (s *session) frame() (f frame, err error) {
	var head [8]byte
	if _, err = io.ReadFull(s.br, head[:2]); err != nil {
		return f, err
	}
	f.fin, f.reserved, f.op = head[0]&0x80 != 0, head[0]>>4&7, head[0]&0xf
	masked, length := head[1]&0x80 != 0, uint64(head[1]&0x7f)
	switch {
	case masked:
		return f, &brokenError{"a masked frame"}
	case f.reserved != 0 && (f.reserved != 4 || s.packer == nil || f.op >= opClose):
		return f, &brokenError{fmt.Sprintf("reserved bits %03b with opcode %d", f.reserved, f.op)}
	case f.op > opBinary && f.op < opClose || f.op > opPong:
		return f, &brokenError{fmt.Sprintf("opcode %d", f.op)}
	case f.op >= opClose && (!f.fin || length > 125):
		return f, &brokenError{"a control frame that is long, or a fragment"}
	}
	if wide := map[uint64]int{126: 2, 127: 8}[length]; wide > 0 {
		if _, err = io.ReadFull(s.br, head[8-wide:]); err != nil {
			return f, err
		}
		clear(head[:8-wide])
		length = binary.BigEndian.Uint64(head[:])
	}
	if length > drainMost {
		return f, &brokenError{fmt.Sprintf("a frame of %d bytes", length)}
	}
	var data bytes.Buffer
	_, err = io.CopyN(&data, s.br, int64(length))
	f.data = data.Bytes()
	return f, err
}
