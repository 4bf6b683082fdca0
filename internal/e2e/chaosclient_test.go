package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// outcome is what a client saw of one request.
type outcome uint8

const (
	answered  outcome = iota // 200, the right one, to its end
	refused                  // 503: it cannot have been executed
	failed                   // 502 or 504: it may have been
	cutShort                 // the answer began, and broke off
	abandoned                // the client left by itself
)

// ledger is what all clients saw, by the requests' ids.
type ledger struct {
	mu    sync.Mutex
	saw   map[string]outcome
	wrong []string // what no chaos excuses
}

func (l *ledger) put(id string, what outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, twice := l.saw[id]; twice {
		l.wrong = append(l.wrong, "the test used an id twice: "+id)
	}
	l.saw[id] = what
}

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) < 20 {
		l.wrong = append(l.wrong, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...)) // as in ripd's log
	}
}

// chaosClient asks over and over on plain sockets. It is used by one goroutine.
type chaosClient struct {
	name, address string
	tls           *tls.Config // nil: plain
	random        *rand.Rand
	ledger        *ledger
	misdeeds      <-chan string // ways that cost a worker its life: they come at a rate of their own

	count int
	conn  net.Conn
	tcp   *net.TCPConn // below conn
	in    *bufio.Reader
}

// asked is one request of a client.
type asked struct {
	id, do, text, want string
	leave              bool // the client leaves before it has the answer
	slowly             bool // it reads at a pace of its own, and then leaves
}

// What workers are asked to do. Most requests are ordinary; the second list is what
// a worker is dropped for.
var (
	chaosWays     = []string{"slow", "trickle", "busy", "garbage", "split", "events"}
	chaosMisdeeds = []string{"cut", "close", "exit", "hang"}
)

// idleMost is how long a client may leave its connection idle and still find it: a
// ripd that ends closes those that are idle for longer.
const idleMost = 400 * time.Millisecond

// idleFor is how long nothing has come over a connection, by the kernel's clock: on a
// busy machine an answer may have been there for long when its client gets to run.
func idleFor(conn *net.TCPConn) (idle time.Duration) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			idle = time.Duration(info.Last_data_recv) * time.Millisecond
		}
	})
	return idle
}

func (c *chaosClient) run(end <-chan struct{}) {
	defer c.hangUp()
	for {
		select {
		case <-end:
			return
		default:
		}
		n := 1
		if c.random.IntN(10) == 0 {
			n = 1 + c.random.IntN(5) // pipelined
		}
		var all []asked
		for i := range n {
			all = append(all, c.next(n == 1 || i == n-1))
		}
		if err := c.ask(all); err != nil {
			c.hangUp()
		} else if c.random.IntN(4) == 0 {
			c.hangUp()
		}
	}
}

// next makes a request up. Only the last of several may be one whose client leaves.
func (c *chaosClient) next(last bool) asked {
	c.count++
	a := asked{id: fmt.Sprintf("%s-%06d", c.name, c.count)}
	select {
	case a.do = <-c.misdeeds:
	default:
	}
	size, length := 0, 0
	switch roll := c.random.IntN(400); {
	case a.do != "":
	case roll < 40:
		a.do = chaosWays[roll%len(chaosWays)]
	case roll < 60:
		size = 1 << (10 + c.random.IntN(11))
	case roll < 80:
		length = 1 << c.random.IntN(19)
	case roll < 90:
		a.leave = last
		size = 1 << 20
	case roll < 93:
		a.slowly = last
		size = 4 << 20
	}
	method := "GET"
	if length > 0 {
		method = "POST"
	}
	a.want = chaosBody(a.id, length, fmt.Sprint(size))
	a.text = fmt.Sprintf("%s /work?id=%s&do=%s&size=%d HTTP/1.1\r\nHost: chaos\r\nContent-Length: %d\r\n\r\n%s",
		method, a.id, a.do, size, length, strings.Repeat("x", length))
	return a
}

// ask sends all requests at once and notes what comes of each. An error means that
// the connection is not to be used any more.
func (c *chaosClient) ask(all []asked) error {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			c.ledger.fault("%s: %v", c.name, err)
			return err
		}
		c.tcp = conn.(*net.TCPConn)
		if c.tls != nil {
			conn = tls.Client(conn, c.tls) // it shakes hands with the first request
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(startMost)); err != nil {
		return err
	}
	var text strings.Builder
	for _, a := range all {
		text.WriteString(a.text)
	}
	_, err := io.WriteString(c.conn, text.String())
	late := idleFor(c.tcp) > idleMost
	if err != nil {
		if !late {
			c.ledger.fault("%s: a request could not be sent: %v", all[0].id, err)
		}
		for _, a := range all {
			c.ledger.put(a.id, abandoned)
		}
		return err
	}
	for i, a := range all {
		what, err := c.answer(a, late && i == 0)
		c.ledger.put(a.id, what)
		if err != nil { // a cut-off takes the others with it
			for _, rest := range all[i+1:] {
				c.ledger.put(rest.id, abandoned)
			}
			return err
		}
	}
	return nil
}

var errEnded = errors.New("the connection has ended")

// answer reads one answer.
func (c *chaosClient) answer(a asked, late bool) (outcome, error) {
	if a.leave {
		if c.random.IntN(2) == 0 {
			c.in.Peek(1) // in the middle of the answer; else before it. It may be none
		}
		return abandoned, errEnded
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		if !late {
			c.ledger.fault("%s (%s): no answer: %v", a.id, a.do, err)
		}
		return failed, err
	}
	from := io.Reader(answer.Body)
	if a.slowly {
		from = &slowReader{from: from}
	}
	body, err := io.ReadAll(from)
	switch {
	case answer.StatusCode == 200 && err != nil:
		return cutShort, err
	case err != nil:
		c.ledger.fault("%s: an answer %d breaks off: %v", a.id, answer.StatusCode, err)
		return failed, err
	case answer.StatusCode == 200 && string(body) != a.want:
		c.ledger.fault("%s (%s): %.60q in the place of %.60q", a.id, a.do, body, a.want)
	}
	if answer.Close || a.slowly { // when a slow client has read all, ripd may have been idle for long
		err = errEnded
	}
	switch answer.StatusCode {
	case 200:
		return answered, err
	case 503:
		return refused, err
	case 502, 504:
		return failed, err
	}
	c.ledger.fault("%s (%s): %d %.100q", a.id, a.do, answer.StatusCode, body)
	return failed, err
}

// slowReader reads some 4 MB a second. What a slow client has not taken yet must hold
// nobody up.
type slowReader struct {
	from io.Reader
	left int // until the next pause
}

func (s *slowReader) Read(b []byte) (int, error) {
	if s.left <= 0 {
		<-time.After(30 * time.Millisecond)
		s.left = 128 << 10
	}
	n, err := s.from.Read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

func (c *chaosClient) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
