package proxy

import (
	"crypto/rand"
	"encoding/binary"
)

// The codes of close frames that ripd sends (RFC 6455 section 7.4.1).
const (
	closeGoingAway = 1001
	closeProtocol  = 1002
	closeTooBig    = 1009
)

const (
	// maxFrameHead is the length of the longest frame head (RFC 6455 section 5.2).
	maxFrameHead = 14
	// opContinuation continues a message; opClose is the close frame; those from
	// opControl on are control frames, which may come within a message.
	opContinuation, opControl, opClose = 0x0, 0x8, 0x8
)

// frames follows the WebSocket frames of one direction. It looks at lengths alone:
// what is in them, and whether the peers keep to the protocol, is theirs.
type frames struct {
	left    uint64 // bytes of a frame's payload that are still to come
	message uint64 // bytes of the message so far, all its frames
	closed  bool   // the close frame has come
}

// boundary tells whether a frame may begin here.
func (f *frames) boundary() bool { return f.left == 0 }

// over tells whether the direction has come to its end.
func (f *frames) over() bool { return f.closed && f.left == 0 }

// take follows what has come next. It returns how much of b may be passed on: all,
// but for the head of a frame that is not complete, which has to be there again in
// the next b, and for what is behind the first boundary when stop says so. code is
// not 0 when the frame that begins there must not be passed on: it makes a message
// longer than limit (0: there is none), or its length is none.
func (f *frames) take(b []byte, limit uint64, stop bool) (pass int, code uint16) {
	for pass < len(b) {
		if f.left > 0 {
			n := min(f.left, uint64(len(b)-pass))
			f.left -= n
			pass += int(n)
			continue
		}
		if stop {
			return pass, 0
		}
		head, payload := frameHead(b[pass:])
		if head == 0 {
			return pass, 0
		}
		if payload>>63 != 0 {
			return pass, closeProtocol
		}
		switch op := b[pass] & 0xf; {
		case op == opClose:
			f.closed = true
		case op < opControl && op != opContinuation:
			f.message = payload
		case op == opContinuation:
			f.message += payload // below 2^64: each is below 2^63, and the first is not counted beyond the limit
		}
		if limit > 0 && f.message > limit {
			return pass, closeTooBig
		}
		f.left = payload
		pass += head
	}
	return pass, 0
}

// frameHead returns the lengths of the frame's head and of its payload. The head's is
// 0 when it is not complete.
func frameHead(b []byte) (head int, payload uint64) {
	if len(b) < 2 {
		return 0, 0
	}
	head, payload = 2, uint64(b[1]&0x7f)
	switch payload {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	whole := head
	if b[1]&0x80 != 0 {
		whole += 4 // the mask
	}
	switch {
	case len(b) < whole:
		return 0, 0
	case head == 4:
		payload = uint64(binary.BigEndian.Uint16(b[2:]))
	case head == 10:
		payload = binary.BigEndian.Uint64(b[2:])
	}
	return whole, payload
}

// closeFrame is a close frame with the code, masked as a client has to (RFC 6455
// section 5.3) or not, as a server has to.
func closeFrame(code uint16, masked bool) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x80 | opClose, 2}, code)
	if !masked {
		return b
	}
	var mask [4]byte
	rand.Read(mask[:]) // never fails, crypto/rand
	return []byte{b[0], 0x80 | b[1], mask[0], mask[1], mask[2], mask[3], b[2] ^ mask[0], b[3] ^ mask[1]}
}
