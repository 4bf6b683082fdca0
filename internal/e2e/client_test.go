package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// client asks for /ping over and over on plain sockets, since net/http's client
// would send a request again that a server has lost. It is used by one goroutine.
type client struct {
	address   string
	keepAlive bool
	tls       *tls.Config // nil: plain

	conn net.Conn
	in   *bufio.Reader

	good int
	bad  []string // each answer that was not pong, and each failure
}

// errRefused: nobody listens any more.
var errRefused = errors.New("refused")

// ping sends one request and notes what comes of it.
func (c *client) ping() error {
	answer, err := c.ask()
	switch {
	case errors.Is(err, errRefused):
		return err
	case err != nil:
		c.bad = append(c.bad, err.Error())
		c.hangUp()
	case !isPong(answer):
		c.bad = append(c.bad, answer)
	default:
		c.good++
	}
	return nil
}

func (c *client) ask() (string, error) {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.address)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return "", errRefused
		}
		if err != nil {
			return "", err
		}
		if c.tls != nil {
			conn = tls.Client(conn, c.tls)
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(startMost)); err != nil {
		return "", err
	}
	connection := ""
	if !c.keepAlive {
		connection = "Connection: close\r\n"
	}
	if _, err := io.WriteString(c.conn, "GET /ping HTTP/1.1\r\nHost: "+c.address+"\r\n"+connection+"\r\n"); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		return "", err
	}
	if answer.Close {
		c.hangUp()
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, body), nil
}

func (c *client) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// crowd is a number of clients that ping until told to end, or until ripd
// refuses connections. Every second one keeps its connection.
type crowd struct {
	clients []*client
	end     chan struct{}
	group   sync.WaitGroup
}

func startCrowd(a *app, n int) *crowd {
	c := &crowd{end: make(chan struct{})}
	for i := range n {
		one := &client{address: a.url[strings.Index(a.url, "://")+3:], keepAlive: i%2 == 0, tls: a.tls}
		c.clients = append(c.clients, one)
		c.group.Go(func() {
			defer one.hangUp()
			for {
				select {
				case <-c.end:
					return
				default:
				}
				if one.ping() != nil {
					return
				}
			}
		})
	}
	return c
}

// stop ends the clients, and fails the test for each request that was not
// answered as it should.
func (c *crowd) stop(t *testing.T) {
	t.Helper()
	close(c.end)
	c.group.Wait()
	good := 0
	for _, one := range c.clients {
		good += one.good
		for _, what := range one.bad {
			t.Errorf("a request of a client (keep-alive %v) failed: %s", one.keepAlive, what)
		}
	}
	if good == 0 {
		t.Error("no request was answered")
	}
	t.Logf("%d requests were answered", good)
}
