package proxy

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2"
)

// lastPossible is the highest number that a stream can have: a GOAWAY with it says that
// more are still served (RFC 9113 section 6.8).
const lastPossible = 1<<31 - 1

const codeNone, codeCalm = http2.ErrCodeNo, http2.ErrCodeEnhanceYourCalm

// frameHeadSize is the length of a frame's head (RFC 9113 section 4.1).
const frameHeadSize = 9

// usefulData is how long a DATA frame must be to earn its reader the frames with which
// it makes room for more.
const usefulData = 256

// departure is what goes to a client of HTTP/2. It follows the frames that net/http
// writes, to put in a word between two of them.
type departure struct {
	streams *streams
	earned  atomic.Int64 // DATA frames that went out, and are not yet in the credit of arrival

	mu   sync.Mutex
	over bool // nothing is written any more
	head [frameHeadSize]byte
	have int // how much of head is filled
	left int // of the frame that is being written
}

// write passes b on.
func (d *departure) write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return 0, net.ErrClosed
	}
	d.follow(b)
	return d.streams.conn.secure.tls.Write(b)
}

// follow finds where frames begin.
func (d *departure) follow(b []byte) {
	for len(b) > 0 {
		if d.left > 0 {
			n := min(d.left, len(b))
			d.left -= n
			b = b[n:]
			continue
		}
		n := copy(d.head[d.have:], b)
		b = b[n:]
		if d.have += n; d.have < frameHeadSize {
			return
		}
		d.have = 0
		d.left = int(binary.BigEndian.Uint32(d.head[:]) >> 8)
		if http2.FrameType(d.head[3]) == http2.FrameData && d.left >= usefulData {
			d.earned.Add(1)
		}
	}
}

// goAway tells the client that streams above last are not served, unless a frame is
// half written: then the end of the connection has to do.
func (d *departure) goAway(last uint32, code http2.ErrCode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || d.left > 0 || d.have > 0 {
		return
	}
	_ = http2.NewFramer(tlsWriter{d.streams.conn.secure}, nil).WriteGoAway(last, code, nil) // an error shows again
}

// end stops the writing. A client that takes nothing keeps nobody.
func (d *departure) end() {
	if !d.mu.TryLock() {
		d.streams.conn.sever()
		d.mu.Lock()
	}
	d.over = true
	d.mu.Unlock()
}

// tlsWriter writes past departure.
type tlsWriter struct{ s *secure }

var _ io.Writer = tlsWriter{}

func (w tlsWriter) Write(b []byte) (int, error) { return w.s.tls.Write(b) }
