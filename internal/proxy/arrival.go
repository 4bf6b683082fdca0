package proxy

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"ripd/internal/config"
)

const (
	// framesBurst and framesRate bound the frames that ask ripd for work and bring
	// nothing: so many at once, and so many a second. Each request, and each DATA
	// frame of some length that went out, buys frameCredit more: with it come settings
	// of priority, and the room for more data.
	framesBurst = 1000
	framesRate  = 200
	frameCredit = 4
	// resetsBurst and resetsRate bound how often a client may give a request up
	// (CVE-2023-44487). A browser that leaves a page resets what it had asked for, 100
	// streams at most; nobody does that all the time.
	resetsBurst = 500
	resetsRate  = 50
	// maxContinuations bounds the frames of one head, which has 16 KB in each
	// (CVE-2023-45288, and what is left of it with empty frames).
	maxContinuations = 64
	// heldMost is the size of the memory for a frame that a connection keeps.
	heldMost = 512
)

var errCalm = errors.New("the client was told to calm down")

// arrival is what comes from a client of HTTP/2: the frames, as net/http reads them, head
// by head. It passes them on, and meets what net/http takes and ripd does not.
type arrival struct {
	streams *streams

	preface int    // bytes of the client's first words that are still to come
	begun   bool   // its settings have come
	pass    int    // of a frame that needs no look
	out     []byte // to be given to net/http before anything else is read
	held    []byte // a frame that is looked at as a whole
	last    uint32 // the highest stream so far

	inHead        bool // a head goes on in CONTINUATION frames
	continuations int
	heads         headCheck

	frames, resets bucket
	since          atomic.Int64          // since when a head, or what is none, is incomplete; 0: none is
	failed         atomic.Pointer[error] // the janitor's word
}

func (a *arrival) init(m *streams, cfg *config.Config) {
	a.streams, a.preface = m, len(http2.ClientPreface)
	a.frames = bucket{burst: framesBurst, rate: framesRate, tokens: framesBurst}
	a.resets = bucket{burst: resetsBurst, rate: resetsRate, tokens: resetsBurst}
	a.heads.init(cfg)
}

// bucket is a token bucket. It belongs to one goroutine.
type bucket struct {
	burst, rate, tokens int64
	filled              time.Duration // when it was last filled
}

// take reports whether there was a token.
func (b *bucket) take(now time.Duration) bool {
	if more := int64((now - b.filled) * time.Duration(b.rate) / time.Second); more > 0 {
		b.add(more)
		b.filled = now
	}
	b.tokens--
	return b.tokens >= 0
}

func (b *bucket) add(n int64) { b.tokens = min(b.burst, max(0, b.tokens)+n) }

// read is Read of the connection that net/http has. It asks for the head of a frame,
// then for the rest of it.
func (a *arrival) read(b []byte) (int, error) {
	for {
		switch {
		case len(b) == 0:
			return 0, nil
		case len(a.out) > 0:
			n := copy(b, a.out)
			if a.out = a.out[n:]; len(a.out) == 0 && cap(a.held) > heldMost {
				a.held = nil
			}
			return n, nil
		case a.preface > 0:
			n, err := a.streams.conn.secure.tls.Read(b[:min(len(b), a.preface)])
			a.preface -= n
			return n, err
		case a.pass > 0:
			n, err := a.streams.conn.secure.tls.Read(b[:min(len(b), a.pass)])
			a.pass -= n
			return n, err
		}
		if err := a.next(); err != nil {
			return 0, err
		}
	}
}

// full reads all of b. What began in it must not take forever.
func (a *arrival) full(b []byte, begun bool) error {
	tls := a.streams.conn.secure.tls
	for n := 0; n < len(b); {
		if n > 0 || begun {
			if a.since.Load() == 0 {
				a.since.Store(int64(a.streams.conn.srv.clock.now()))
			}
		}
		got, err := tls.Read(b[n:])
		if n += got; n == len(b) {
			break
		}
		if err != nil {
			if err == io.EOF && (n > 0 || begun) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	if !a.inHead {
		a.since.Store(0)
	}
	return nil
}

// next reads the head of a frame, and the frame where that is to be looked at.
func (a *arrival) next() error {
	var head [frameHeadSize]byte
	if err := a.full(head[:], a.inHead); err != nil {
		return err
	}
	length := int(binary.BigEndian.Uint32(head[:]) >> 8)
	kind, flags := http2.FrameType(head[3]), http2.Flags(head[4])
	if err := a.count(kind, flags, length); err != nil {
		return err
	}
	a.held = append(a.held[:0], head[:]...)
	if length > frameSize || kind != http2.FrameHeaders && kind != http2.FrameContinuation && kind != http2.FrameSettings {
		a.pass = length // one that is too long is met by net/http
		a.out = a.held
		return nil
	}
	a.held = slices.Grow(a.held, length)[:frameHeadSize+length]
	if err := a.full(a.held[frameHeadSize:], true); err != nil {
		return err
	}
	if kind == http2.FrameSettings {
		a.held = withoutDoubles(a.held)
		if !a.begun {
			a.begun = true
			a.streams.ready()
		}
	} else {
		a.headFrame(kind, flags)
	}
	a.out = a.held
	return nil
}

// count looks whether the client sends too much of what it should send little of.
func (a *arrival) count(kind http2.FrameType, flags http2.Flags, length int) error {
	switch kind {
	case http2.FrameHeaders:
		a.frames.add(frameCredit)
		return nil
	case http2.FrameData:
		if length > 0 || flags.Has(http2.FlagDataEndStream) {
			return nil
		}
	case http2.FrameRSTStream:
		if !a.resets.take(a.streams.conn.srv.clock.now()) {
			return a.calm(boundResets, "a client of HTTP/2 gave up too many requests and was cut off")
		}
		return nil
	case http2.FrameContinuation:
		if a.continuations++; a.continuations > maxContinuations {
			return a.calm(boundContinuations, "a client of HTTP/2 sent a head in too many pieces and was cut off")
		}
	}
	a.frames.add(frameCredit * a.streams.out.earned.Swap(0))
	if !a.frames.take(a.streams.conn.srv.clock.now()) {
		return a.calm(boundFrames, "a client of HTTP/2 sent too many frames that bring nothing and was cut off")
	}
	return nil
}

// calm ends the connection of a client that asks for too much (RFC 9113 section 10.5).
func (a *arrival) calm(bound notice, text string) error {
	c := a.streams.conn
	c.srv.reached(bound, text, "client", string(c.address))
	a.streams.out.goAway(a.last, codeCalm)
	return errCalm
}

// headFrame looks at a piece of a head. A request that is malformed where net/http would
// serve it gets a field for which it will not (RFC 9113 section 8.1.1).
func (a *arrival) headFrame(kind http2.FrameType, flags http2.Flags) {
	if kind == http2.FrameHeaders {
		a.last = max(a.last, binary.BigEndian.Uint32(a.held[5:])&lastPossible)
		a.continuations = 0
		a.heads.begin(flags.Has(http2.FlagHeadersEndStream))
	}
	fragment := fragmentOf(a.held, kind, flags)
	a.inHead = !flags.Has(http2.FlagHeadersEndHeaders) // CONTINUATION has the same flag
	a.heads.write(fragment)
	if a.inHead {
		a.since.CompareAndSwap(0, int64(a.streams.conn.srv.clock.now()))
		return
	}
	a.since.Store(0)
	malformed := a.heads.end()
	if a.heads.long {
		a.streams.conn.srv.reached(boundHead, "a head was too long and was refused")
	}
	if malformed {
		a.held[4] &^= byte(http2.FlagHeadersEndHeaders)
		a.held = append(a.held, 0, 0, byte(len(badField)), byte(http2.FrameContinuation), byte(http2.FlagContinuationEndHeaders))
		a.held = append(a.held, a.held[5:frameHeadSize]...)
		a.held = append(a.held, badField...)
	}
}

// badField is a field without a name, not to be indexed (RFC 7541 section 6.2.2), with a
// capital letter, which makes every request malformed (RFC 9113 section 8.2.1).
const badField = "\x00\x01A\x00"

// fragmentOf takes padding and priority off (RFC 9113 section 6.2). It is nil for a frame
// at which net/http ends the connection.
func fragmentOf(frame []byte, kind http2.FrameType, flags http2.Flags) []byte {
	b := frame[frameHeadSize:]
	if kind == http2.FrameContinuation {
		return b
	}
	padding := 0
	if flags.Has(http2.FlagHeadersPadded) {
		if len(b) == 0 {
			return nil
		}
		padding, b = int(b[0]), b[1:]
	}
	if flags.Has(http2.FlagHeadersPriority) {
		if len(b) < 5 {
			return nil
		}
		b = b[5:]
	}
	if padding > len(b) {
		return nil
	}
	return b[:len(b)-padding]
}

// withoutDoubles takes out of a SETTINGS frame what a later setting of it replaces, which
// net/http does not (RFC 9113 section 6.5.3). A value that is an error stays.
func withoutDoubles(frame []byte) []byte {
	const size = 6
	body := frame[frameHeadSize:]
	if len(body)%size != 0 || len(body) > 100*size {
		return frame
	}
	kept := frame[:frameHeadSize]
	for i := 0; i < len(body); i += size {
		s := http2.Setting{
			ID:  http2.SettingID(binary.BigEndian.Uint16(body[i:])),
			Val: binary.BigEndian.Uint32(body[i+2:]),
		}
		if s.Valid() == nil && hasSetting(body[i+size:], s.ID) {
			continue
		}
		kept = append(kept, body[i:i+size]...)
	}
	n := len(kept) - frameHeadSize
	kept[0], kept[1], kept[2] = byte(n>>16), byte(n>>8), byte(n)
	return kept
}

func hasSetting(body []byte, id http2.SettingID) bool {
	const size = 6
	for ; len(body) >= size; body = body[size:] {
		if http2.SettingID(binary.BigEndian.Uint16(body)) == id {
			return true
		}
	}
	return false
}

// look is the janitor's: a head that does not come to its end ends the connection.
func (a *arrival) look(now time.Duration) {
	c := a.streams.conn
	since := time.Duration(a.since.Load())
	if since == 0 || now-since < c.srv.config.Load().Timeouts.ClientHeader {
		return
	}
	if a.failed.CompareAndSwap(nil, &errHandshakeTimeout) {
		c.srv.reached(boundClientHeader, "a client of HTTP/2 sent a head too slowly and was cut off", "client", string(c.address))
		c.wake()
	}
}
