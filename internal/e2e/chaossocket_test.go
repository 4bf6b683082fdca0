package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// chaosSockets is how many clients have WebSockets, every second one over TLS.
const chaosSockets = 6

// echoSocket is what a worker does with a request for a WebSocket. over is called
// before the 101, since the next request may come right behind it.
func echoSocket(w http.ResponseWriter, r *http.Request, over func()) {
	over()
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	for {
		kind, data, err := c.Read(context.Background())
		if err != nil || c.Write(context.Background(), kind, data) != nil {
			return
		}
	}
}

// chaosSocket opens one WebSocket after the other, and wants each message back as it
// was. It is used by one goroutine.
type chaosSocket struct {
	name, url string
	tls       *tls.Config
	random    *rand.Rand
	chaos     *chaos
	count     int
}

func (c *chaosSocket) run(end <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-end:
			cancel()
		case <-done:
		}
	}()
	transport := &http.Transport{TLSClientConfig: c.tls, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	for ctx.Err() == nil {
		c.one(ctx, &http.Client{Transport: transport})
	}
}

// one is the life of one WebSocket.
func (c *chaosSocket) one(ctx context.Context, client *http.Client) {
	c.count++
	id := fmt.Sprintf("%s-%06d", c.name, c.count)
	ctx, cancel := context.WithTimeout(ctx, startMost)
	defer cancel()
	ledger := c.chaos.ledger
	begin := time.Now()
	conn, answer, err := websocket.Dial(ctx, c.url+"/work?id="+id, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			ledger.fault("%s: no answer in %v", id, startMost)
		case answer != nil && answer.StatusCode == 503:
			ledger.put(id, refused)
			return
		case answer != nil && answer.StatusCode != 502 && answer.StatusCode != 504:
			ledger.fault("%s: %v", id, err)
		case answer == nil && ctx.Err() == nil && time.Since(begin) <= idleMost: // else ripd may have closed it, before a byte had come
			ledger.fault("%s: no answer: %v", id, err)
		}
		ledger.put(id, failed)
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	ledger.put(id, answered)
	c.chaos.count("WebSockets", true)
	for n := range 1 + c.random.IntN(60) {
		data := bytes.Repeat(fmt.Appendf(nil, "%s %d ", id, n), 1<<c.random.IntN(12))
		if !c.echoes(ctx, conn, id, data) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(c.random.IntN(50)) * time.Millisecond):
		}
	}
	if c.random.IntN(2) == 0 {
		_ = conn.Close(websocket.StatusNormalClosure, "") // the other side may be gone meanwhile
	}
}

// echoes sends a message and wants it back. It reports whether the WebSocket goes on:
// its worker may be killed, or leave, at any time; but what comes is what was sent.
func (c *chaosSocket) echoes(ctx context.Context, conn *websocket.Conn, id string, data []byte) bool {
	err := conn.Write(ctx, websocket.MessageBinary, data)
	var back []byte
	if err == nil {
		_, back, err = conn.Read(ctx)
	}
	switch code := websocket.CloseStatus(err); {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		c.chaos.ledger.fault("%s: no echo in %v", id, startMost)
	case ctx.Err() != nil:
	case err != nil && code >= 0 && code != websocket.StatusGoingAway:
		c.chaos.ledger.fault("%s: closed with %v", id, code)
	case err != nil && code == websocket.StatusGoingAway:
		c.chaos.count("WebSockets told to come back", true)
	case err != nil:
		c.chaos.count("WebSockets cut", true)
	case !bytes.Equal(back, data):
		c.chaos.ledger.fault("%s: %.60q came back in the place of %.60q", id, back, data)
	default:
		return true
	}
	return false
}

// sockets starts the clients that have WebSockets.
func (c *chaos) sockets() {
	for i := range chaosSockets {
		one := &chaosSocket{name: fmt.Sprintf("s%d", i), url: strings.Replace(c.url, "http", "ws", 1), random: c.random(), chaos: c}
		if i%2 == 1 {
			one.url, one.tls = strings.Replace(c.secure, "http", "ws", 1), c.trust
		}
		c.group.Go(func() { one.run(c.end) })
	}
}
