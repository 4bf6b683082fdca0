package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/http1"
	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// strict is a worker that takes nothing but what ripd may send. It notes the
// first fault.
type strict struct{ fault atomic.Pointer[string] }

func (s *strict) failed(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.fault.CompareAndSwap(nil, &text)
}

func (s *strict) serve(c net.Conn) {
	var req http1.Request // as strict as ripd itself is with clients
	buf, n := make([]byte, 256<<10), 0
	for {
		if i := bytes.Index(buf[:n], []byte("Host: \r\n")); i >= 0 { // what ripd writes for HTTP/1.0 without Host
			n += copy(buf[i:], append([]byte("Host: a"), buf[i+6:n]...)) - (n - i)
		}
		head, err := req.Parse(buf[:n], http1.Limits{HeaderBytes: 64 << 10, Fields: 256})
		switch {
		case err == http1.ErrIncomplete || err == nil && n-head < int(max(req.ContentLength, 0)):
			k, err := c.Read(buf[n:])
			if err != nil {
				if n > 0 {
					s.failed("a part of a request: %q", buf[:n])
				}
				return
			}
			n += k
			continue
		case err != nil:
			s.failed("%v: %q", err, buf[:n])
			return
		}
		if req.Minor != 1 || req.Chunked || !req.KeepAlive || req.Upgrade || req.ExpectContinue ||
			len(req.Get("X-Request-Id")) != 24 || !bytes.HasPrefix(req.Get("X-Request-Start"), []byte("t=")) {
			s.failed("not as ripd sends it: %q", buf[:n])
		}
		if n -= head + int(max(req.ContentLength, 0)); n > 0 {
			s.failed("more than one request: %q", buf)
		}
		answer := ok("fine")
		if req.IsHead() {
			answer = strings.TrimSuffix(answer, "fine")
		}
		io.WriteString(c, answer)
	}
}

// FuzzClientBytes lets a client send anything.
func FuzzClientBytes(f *testing.F) {
	files, err := filepath.Glob("testdata/corpus/*.case")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		var sent string
		for _, s := range readCase(f, file) {
			if s.verb == "send" {
				sent += s.text
			}
		}
		f.Add([]byte(sent), uint16(0))
		f.Add([]byte(sent), uint16(len(sent)/2))
	}
	r := newRig(f, func(o *proxy.Options) {
		o.Config.Limits.Header, o.Config.Limits.Body, o.Config.Limits.Buffer = 8<<10, 20_000, 1000
	})
	r.dialUnix().Close()
	w := &strict{}
	r.worker(w.serve)
	f.Fuzz(func(t *testing.T, data []byte, pause uint16) {
		c, err := net.Dial("unix", filepath.Join(r.dir, "clients.sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
		go func() { // errors mean that the server has ended the connection
			first := min(int(pause), len(data))
			c.Write(data[:first])
			taken(c)
			c.Write(data[first:])
			taken(c)
			c.(*net.UnixConn).CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if ne, timeout := err.(net.Error); timeout && ne.Timeout() {
			t.Fatalf("no end after %q", got)
		}
		if len(got) > 0 && !bytes.HasPrefix(got, []byte("HTTP/1.1 ")) {
			t.Fatalf("got %q", got)
		}
		if fault := w.fault.Load(); fault != nil {
			t.Fatal(*fault)
		}
		testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 0 && r.inFlight() == 0 })
		if d := r.dropped(); len(d) > 0 {
			t.Fatalf("dropped: %v", d)
		}
	})
}

// FuzzWorkerBytes lets a worker answer anything, in two pieces, and then end the
// connection. The next client gets its own answer.
func FuzzWorkerBytes(f *testing.F) {
	for _, answer := range []string{
		"", plainAnswer, busy, plainAnswer + plainAnswer, "HTTP/1.1 200 OK\r\n\r\nend",
		"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 103 Early\r\n\r\n" + plainAnswer, "HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3;x\r\nabc\r\n0\r\nX: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", "HTTP/1.0 500 No\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n",
	} {
		f.Add([]byte(answer), uint16(len(answer)/2))
	}
	files, err := filepath.Glob("testdata/corpus/answer-*.case")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		for _, s := range readCase(f, file) {
			if s.verb == "answer" {
				f.Add([]byte(s.text), uint16(0))
				f.Add([]byte(s.text), uint16(len(s.text)/2))
			}
		}
	}
	r := newRig(f, nil)
	var answer atomic.Pointer[[2][]byte]
	worker := r.worker(func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			req, err := readRequest(br)
			if err != nil {
				return
			}
			if req.URL.Path == "/next" {
				io.WriteString(c, ok("next"))
				continue
			}
			for _, piece := range answer.Load() {
				c.Write(piece)
			}
			return
		}
	})
	socket := worker.Spec().Socket
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		n := min(int(cut), len(data))
		answer.Store(&[2][]byte{data[:n], data[n:]})
		var workers []*pool.Worker
		for id := range 2 {
			w := r.server.Pool().Add(pool.WorkerSpec{ID: 10 + id, Generation: 2, Socket: socket, Slots: 1})
			if err := r.server.Pool().Ready(w, ""); err != nil {
				t.Fatal(err)
			}
			workers = append(workers, w)
		}
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
		fmt.Fprint(c, "GET /fuzz HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		got, err := io.ReadAll(c)
		if ne, timeout := err.(net.Error); timeout && ne.Timeout() {
			t.Fatalf("no end after %q", got)
		}
		checkAnswers(t, got)
		for _, w := range workers {
			_ = r.server.Pool().Remove(w) // it was not removed before
		}
	})
}

// checkAnswers wants one answer, and where that is complete and leaves the
// connection open the right second one.
func checkAnswers(t *testing.T, got []byte) {
	br := bufio.NewReader(bytes.NewReader(got))
	for {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("%v in %q", err, got)
		}
		if res.StatusCode < 200 {
			continue
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return // it was cut off
		}
		if res.Close {
			if rest, _ := io.ReadAll(br); len(rest) > 0 {
				t.Fatalf("more than the answer: %q", got)
			}
			return
		}
		break
	}
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatalf("%v in %q", err, got)
	}
	body, err := io.ReadAll(res.Body)
	if rest, _ := io.ReadAll(br); err != nil || string(body) != "next" || len(rest) > 0 {
		t.Fatalf("%q %q %v in %q", body, rest, err, got)
	}
}
