package proxy

import (
	"bytes"
	"encoding/binary"
	"net"
	"runtime"
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

const (
	// departRoom is kept free of net/http's frames for ripd's own: two of GOAWAY.
	departRoom = 64
	// yieldMost is how often the sending goroutine lets others go first that may have
	// more to send: behind the head of an answer its body, which passes through two
	// goroutines of net/http, and the answers of other streams.
	yieldMost = 6
)

// departure is what goes to a client of HTTP/2. It follows the frames that net/http
// writes, to put in a word between two of them. What is written is taken at once, as a
// socket would take it, and given to the TLS layer by a goroutine that lives only while
// there is something: so the frames of all answers that are ready go out in one record
// and one system call. net/http sends each answer's head and body apart.
type departure struct {
	streams *streams
	earned  atomic.Int64  // DATA frames that went out, and are not yet in the credit of arrival
	hurried atomic.Bool   // a client that takes nothing is not waited for any more
	said    chan struct{} // closed when net/http has said GOAWAY

	mu      sync.Mutex
	over    bool // nothing is written any more
	head    [frameHeadSize]byte
	have    int  // how much of head is filled
	left    int  // of the frame that is being written
	opening bool // the last frame is the head of an answer whose body follows
	farther bool // GOAWAY has passed

	block   *copyBlock // what waits to be sent; nil: nothing
	filled  int
	sending bool      // the goroutine lives
	sender  func()    // send, made once
	changed sync.Cond // signalled when it has taken what waits, and when it has ended
}

func (d *departure) init(m *streams) {
	d.streams, d.said = m, make(chan struct{})
	d.changed.L, d.sender = &d.mu, d.send
}

// write takes b. It waits only when as much waits as there may.
func (d *departure) write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for taken := 0; ; {
		if d.over {
			return taken, net.ErrClosed
		}
		n := d.put(b[taken:], copySize-departRoom)
		d.follow(b[taken : taken+n])
		taken += n
		if taken == len(b) {
			return taken, nil
		}
		d.changed.Wait()
	}
}

// put takes what fits of b, where limit bytes may wait. The caller has the lock.
func (d *departure) put(b []byte, limit int) int {
	if d.block == nil {
		d.block = newCopyBlock()
	}
	n := copy(d.block[d.filled:max(limit, d.filled)], b)
	d.filled += n
	if !d.sending {
		d.sending = true
		go d.sender()
	}
	return n
}

// send gives what waits to the client, until nothing does.
func (d *departure) send() {
	for {
		d.gather()
		d.mu.Lock()
		block, n := d.block, d.filled
		if d.block, d.filled = nil, 0; block == nil {
			d.sending = false
		}
		d.changed.Broadcast()
		d.mu.Unlock()
		if block == nil {
			return
		}
		err := d.streams.encrypt(block[:n])
		block.free()
		if err != nil {
			d.fail()
		}
	}
}

// gather lets those go first who may have more to send. It takes no time when there is
// nobody.
func (d *departure) gather() {
	for range yieldMost {
		d.mu.Lock()
		before := d.filled
		stop := d.block == nil || d.filled > copySize/2
		d.mu.Unlock()
		if stop {
			return
		}
		runtime.Gosched()
		d.mu.Lock()
		stop = d.filled == before && !d.opening
		d.mu.Unlock()
		if stop {
			return
		}
	}
}

// fail ends the connection of a client that takes nothing any more.
func (d *departure) fail() {
	d.mu.Lock()
	d.over = true
	if d.block != nil {
		d.block.free()
		d.block, d.filled = nil, 0
	}
	d.mu.Unlock()
	d.streams.conn.sever()
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
		d.note(http2.FrameType(d.head[3]), http2.Flags(d.head[4]))
	}
}

// note looks at the head of a frame.
func (d *departure) note(kind http2.FrameType, flags http2.Flags) {
	if kind != http2.FrameContinuation {
		d.opening = kind == http2.FrameHeaders && !flags.Has(http2.FlagHeadersEndStream)
	}
	switch {
	case kind == http2.FrameData && d.left >= usefulData:
		d.earned.Add(1)
	case kind == http2.FrameGoAway && !d.farther:
		d.farther = true
		close(d.said)
	}
}

// goAway tells the client that streams above last are not served, unless a frame is
// half written: then the end of the connection has to do.
func (d *departure) goAway(last uint32, code http2.ErrCode) {
	var frame bytes.Buffer
	_ = http2.NewFramer(&frame, nil).WriteGoAway(last, code, nil) // a Buffer takes everything
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || d.left > 0 || d.have > 0 || d.filled+frame.Len() > copySize {
		return
	}
	d.put(frame.Bytes(), copySize)
}

// end stops the writing. What has been written goes out as long as the client takes it
// where patient says so; else a client that takes nothing keeps nobody.
func (d *departure) end(patient bool) {
	if !patient {
		d.hurried.Store(true)
		if d.streams.conn.out.watching.Load() {
			d.streams.conn.sever()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	for d.sending {
		d.changed.Wait()
	}
}
