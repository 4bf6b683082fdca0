// Package wscases holds cases that tell whether a server speaks the WebSocket
// protocol (RFC 6455, and permessage-deflate of RFC 7692) as it should. The server is
// one that echoes messages. The cases are grouped and numbered as those of the
// Autobahn test suite are, so that results can be compared; they are of our own
// making. It is for tests.
package wscases

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// Grade is how well a server did in a case.
type Grade uint8

const (
	// OK: as the RFC says.
	OK Grade = iota
	// Lenient: the connection ended as it had to, but with another close code, or
	// with no close frame.
	Lenient
	// NotAgreed: the server did not agree to the extension that the case is about.
	NotAgreed
	// Failed: anything else.
	Failed
)

// String is the grade in words.
func (g Grade) String() string {
	return [...]string{"ok", "lenient", "not agreed", "failed"}[g]
}

// Verdict is what came of a case.
type Verdict struct {
	Grade Grade
	Why   string // of a grade other than OK
}

// String is the grade and why.
func (v Verdict) String() string {
	if v.Why == "" {
		return v.Grade.String()
	}
	return v.Grade.String() + ": " + v.Why
}

// Case is one case. Its methods may be used by several goroutines.
type Case struct {
	Name string // "6.4.1": group, subgroup, number
	What string // what the client does
	Long bool   // it moves megabytes, or takes thousands of messages

	offer string // the value of Sec-WebSocket-Extensions; "": none
	ending
	play func(s *script)
}

// ending is how a case has to end.
type ending struct {
	kind  endKind
	codes []int // of the server's close frame: those that are right; 0: one without a code
}

type endKind uint8

const (
	endClean  endKind = iota // the client closes, the server answers its close frame
	endClosed                // likewise, but the close frame is part of the script
	endFailed                // the server has to end the connection, with any part of what is wanted before
	endAny                   // either of both: the RFC leaves it open
)

// script is what a case does: the bytes that the client sends, write by write, and the
// messages that have to come back in this order, and the pongs in theirs: a server may
// answer a ping while its app thinks of an answer to what came before.
type script struct {
	pieces [][]byte
	want   []message
	packer *packer // of the agreed extension; nil without one
}

// message is a message of the server's, whole; or a pong.
type message struct {
	op   byte
	data []byte
}

// caseMost is how long a case may take. Megabytes on a busy machine take their time;
// in a good case nothing waits for it.
const caseMost = 60 * time.Second

// Run plays the case over a connection that dial opens. host and path are those of the
// request that asks for WebSocket.
func (c *Case) Run(dial func() (net.Conn, error), host, path string) Verdict {
	nc, err := dial()
	if err != nil {
		return Verdict{Failed, fmt.Sprintf("no connection: %v", err)}
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(caseMost)); err != nil {
		return Verdict{Failed, err.Error()}
	}
	s, err := open(nc, host, path, c.offer)
	if err != nil {
		return Verdict{Failed, err.Error()}
	}
	if c.offer != "" && s.packer == nil {
		return Verdict{NotAgreed, "the server did not agree to " + c.offer}
	}
	var play script
	play.packer = s.packer
	c.play(&play)
	var sending sync.WaitGroup
	defer sending.Wait()
	defer nc.Close()
	sent := make(chan struct{})
	sending.Go(func() {
		defer close(sent)
		for _, piece := range play.pieces {
			if _, err := nc.Write(piece); err != nil {
				return // reading tells what has happened
			}
		}
	})
	return c.judge(s, play.want, sent)
}

// judge reads what the server sends until the connection ends. sent is closed when
// the script has been sent.
func (c *Case) judge(s *session, want []message, sent <-chan struct{}) Verdict {
	closing := false
	for {
		if len(want) == 0 && c.kind == endClean && !closing {
			closing = true
			<-sent
			if err := s.send(frame{fin: true, op: opClose, data: closeData(1000, "")}); err != nil {
				return Verdict{Failed, fmt.Sprintf("all was well, but the close frame could not be sent: %v", err)}
			}
		}
		got, err := s.next()
		switch {
		case err != nil:
			return c.judgeEnd(err, len(want))
		case got.op == opClose:
			return c.judgeClose(s, got.data, len(want))
		case len(want) == 0:
			return Verdict{Failed, fmt.Sprintf("%v is one message too many", got)}
		}
		at := slices.IndexFunc(want, func(m message) bool { return (m.op == opPong) == (got.op == opPong) })
		if at < 0 || got.op != want[at].op || string(got.data) != string(want[at].data) {
			return Verdict{Failed, fmt.Sprintf("%v came in the place of %v", got, want[max(at, 0)])}
		}
		want = slices.Delete(want, at, at+1)
	}
}

// judgeEnd is for a connection that ends without a close frame.
func (c *Case) judgeEnd(err error, missing int) Verdict {
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return Verdict{Failed, fmt.Sprintf("the server did not end the connection (%d messages are missing)", missing)}
	}
	if broken, ok := err.(*brokenError); ok {
		return Verdict{Failed, broken.Error()}
	}
	switch {
	case c.kind == endFailed || c.kind == endAny:
		return Verdict{Lenient, "it ended without a close frame"}
	case missing > 0:
		return Verdict{Failed, fmt.Sprintf("it ended with %d messages missing: %v", missing, err)}
	default:
		return Verdict{Lenient, "it ended without an answer to the close frame"}
	}
}

// judgeClose is for a connection whose close frame has come.
func (c *Case) judgeClose(s *session, data []byte, missing int) Verdict {
	code, err := closeCode(data)
	if err != nil {
		return Verdict{Failed, err.Error()}
	}
	if missing > 0 && c.kind != endFailed && c.kind != endAny {
		return Verdict{Failed, fmt.Sprintf("it was closed (%d) with %d messages missing", code, missing)}
	}
	if c.kind == endFailed || c.kind == endAny {
		// The client leaves with its part of the closing handshake. A server that reads
		// nothing any more need not be the first one to leave.
		_ = s.send(frame{fin: true, op: opClose, data: data})
	} else if err := s.ends(); err != nil {
		return Verdict{Failed, fmt.Sprintf("after the close frame: %v", err)}
	}
	if len(c.codes) == 0 {
		return Verdict{}
	}
	for _, right := range c.codes {
		if code == right {
			return Verdict{}
		}
	}
	return Verdict{Lenient, fmt.Sprintf("it was closed with %d, and not with one of %v", code, c.codes)}
}

func (m message) String() string {
	what := map[byte]string{opText: "text", opBinary: "binary", opPong: "a pong"}[m.op]
	return fmt.Sprintf("%s (%d bytes, %.20q)", what, len(m.data), m.data)
}

// drainMost is how much may follow a close frame until it is clear that the server
// does not end: what was on its way.
const drainMost = 64 << 20

// ends wants the end of the connection.
func (s *session) ends() error {
	n, err := io.Copy(io.Discard, io.LimitReader(s.br, drainMost))
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return fmt.Errorf("the server did not end the connection")
	}
	if n > 0 {
		return fmt.Errorf("%d bytes more", n)
	}
	return nil // a reset is an end, too
}
