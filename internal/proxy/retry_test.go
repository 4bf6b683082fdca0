package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"ripd/internal/testkit"
)

// behaviour is what a worker does with one request.
type behaviour int

const (
	answers      behaviour = iota
	answersClose           // and says that it ends the connection
	slips                  // answers, and ends the connection without saying so
	isBusy                 // refuses to begin
	breaksBefore           // reads the request and breaks off
	breaksWithin           // breaks off in the middle of its answer
	talks                  // answers, and writes what nobody asked for
	rambles                // is not HTTP
	answersChunks
	behaviours
)

// executions counts how often each request was executed, by its name.
type executions struct {
	mu    sync.Mutex
	count map[string]int
}

// begin notes that a request was begun, unless the worker refuses to.
func (e *executions) begin(name string, b behaviour) {
	if b == isBusy {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count[name]++
}

// misbehaves serves a connection by the script, which all its workers share.
func (e *executions) misbehaves(next func() behaviour) func(net.Conn) {
	return func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			req, err := readRequest(br)
			if err != nil {
				return
			}
			b, name := next(), req.RequestURI
			e.begin(name, b)
			switch b {
			case answers:
				io.WriteString(c, ok(name))
			case answersChunks:
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(name), name)
			case answersClose:
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(name), name)
				return
			case slips:
				io.WriteString(c, ok(name))
				return
			case isBusy:
				io.WriteString(c, busy)
			case breaksBefore:
				return
			case breaksWithin:
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(name)+5, name)
				return
			case talks:
				io.WriteString(c, ok(name)+ok("evil"))
			case rambles:
				io.WriteString(c, "so it goes\r\n\r\n")
			}
		}
	}
}

// Whatever workers do, no request is executed twice, each gets one answer, and
// nobody gets another's.
func TestNothingRunsTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.IntRange(0, int(behaviours)-1), 1, 60).Draw(rt, "script")
		workers := rapid.IntRange(1, 3).Draw(rt, "workers")
		clients := rapid.IntRange(1, 6).Draw(rt, "clients")
		t.Run("", func(t *testing.T) { playScript(t, script, workers, clients) })
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

func playScript(t *testing.T, script []int, workers, clients int) {
	r := newRig(t, nil)
	e := &executions{count: map[string]int{}}
	var mu sync.Mutex
	step := 0
	next := func() behaviour {
		mu.Lock()
		defer mu.Unlock()
		if step == len(script) {
			return answers
		}
		step++
		return behaviour(script[step-1])
	}
	for range workers {
		r.worker(e.misbehaves(next))
	}
	replace(r, e, next)
	var done sync.WaitGroup
	for id := range clients {
		done.Add(1)
		c := r.dial()
		go func() {
			defer done.Done()
			for n := range 8 {
				name := fmt.Sprintf("/%d/%d", id, n)
				if c = ask(t, r, c, name); c == nil {
					return
				}
			}
		}()
	}
	done.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, n := range e.count {
		if n > 1 {
			t.Errorf("%s was executed %d times", name, n)
		}
	}
}

// replace gives the server a new worker for each one that is dropped.
func replace(r *rig, e *executions, next func() behaviour) {
	dropped := make(chan struct{}, 1024)
	r.mu.Lock()
	r.onDrop = func() { dropped <- struct{}{} }
	r.mu.Unlock()
	var replacing sync.WaitGroup
	replacing.Add(1)
	quit := make(chan struct{})
	go func() {
		defer replacing.Done()
		for {
			select {
			case <-dropped:
				r.worker(e.misbehaves(next))
			case <-quit:
				return
			}
		}
	}()
	r.t.Cleanup(func() { close(quit); replacing.Wait() })
}

// ask sends one request and checks its answer. It returns the connection for the
// next one; nil when the test has failed.
func ask(t *testing.T, r *rig, c *client, name string) *client {
	if _, err := io.WriteString(c, "GET "+name+" HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Errorf("%s: no answer: %v", name, err)
		return nil
	}
	body, err := io.ReadAll(res.Body)
	switch {
	case res.StatusCode == 200 && err == nil && string(body) != name:
		t.Errorf("%s got the answer of another: %q", name, body)
		return nil
	case res.StatusCode == 200 && !strings.HasPrefix(string(body), name) && len(body) > 0:
		t.Errorf("%s got %q", name, body)
		return nil
	case res.StatusCode != 200 && res.StatusCode != 502 && res.StatusCode != 503:
		t.Errorf("%s got %s", name, res.Status)
		return nil
	}
	if err != nil || res.Close {
		return r.dial()
	}
	return c
}

// Requests are served in the order in which they came, retried ones included.
func TestOrder(t *testing.T) {
	r := newRig(t, nil)
	var mu sync.Mutex
	var served []string
	release, refused := make(chan struct{}), false
	r.worker(handler(func(req *http.Request) string {
		<-release
		mu.Lock()
		defer mu.Unlock()
		if req.RequestURI == "/3" && !refused {
			refused = true
			return busy
		}
		served = append(served, req.RequestURI)
		return ok(req.RequestURI)
	}))
	var clients []*client
	for i := range 8 {
		c := r.dial()
		c.write(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i))
		testkit.Eventually(t, testkit.Timeout, func() bool {
			s := r.server.Pool().Snapshot(r.server.Now())
			return s.QueueLength == i && s.Workers[0].InFlight == 1
		})
		clients = append(clients, c)
	}
	close(release)
	for i, c := range clients {
		if res, body := c.read("GET"); res.StatusCode != 200 || body != fmt.Sprintf("/%d", i) {
			t.Fatal(res, body)
		}
	}
	if got := strings.Join(served, " "); got != "/0 /1 /2 /3 /4 /5 /6 /7" {
		t.Fatal(got)
	}
}
