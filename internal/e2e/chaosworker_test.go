package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"ripd/internal/testkit"
)

// chaosNotes is the environment variable that makes this test's binary a worker of
// TestChaos. Its value is the folder of the notes.
const chaosNotes = "RIPD_TEST_CHAOS_NOTES"

// The words of a note. Each note is one line, written with one write, so that it is
// there when the process is killed a moment later.
const (
	noteBegun    = "begun"    // ID of a request, and the microsecond at which it was complete at ripd
	noteTwoAtOne = "two-at-a" // ID of a request that came while another one ran
)

// chaosWorker serves until it is told to end. It does as the query says:
//
//	id=ID        the answer's body begins with it
//	do=…         see chaosAnswer
//	size=BYTES   how long the body is
func chaosWorker(dir string) error {
	name := fmt.Sprintf("%s.%s.%d", os.Getenv("RIP_GENERATION"), os.Getenv("WORKER_ID"), os.Getpid())
	notes, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var running atomic.Int32
	l, err := net.Listen("unix", os.Getenv("SOCKET_PATH"))
	if err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if query.Get("do") == "busy" && running.Load() == 0 {
			w.Header().Set("Rip-Worker-Busy", "1") // before anything has begun
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if running.Add(1) > 1 {
			fmt.Fprintln(notes, noteTwoAtOne, query.Get("id"))
		}
		fmt.Fprintln(notes, noteBegun, query.Get("id"), strings.TrimPrefix(r.Header.Get("X-Request-Start"), "t="))
		if r.Header.Get("Upgrade") == "websocket" {
			echoSocket(w, r, func() { running.Add(-1) })
			return
		}
		length, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			running.Add(-1)
			return
		}
		chaosAnswer(w, query.Get("do"), chaosBody(query.Get("id"), int(length), query.Get("size")), func() { running.Add(-1) })
	})}
	go func() {
		<-ended
		l.Close()
		testkit.Within(time.Hour, func() bool { return running.Load() == 0 })
		os.Exit(0)
	}()
	if err := server.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	select {} // the goroutine above ends the process
}

// chaosBody is what the client of a request must get: the id, how long the body of
// the request was, and padding.
func chaosBody(id string, length int, size string) string {
	body := fmt.Sprintf("%s %d\n", id, length)
	n, err := strconv.Atoi(size)
	if err != nil || n <= len(body) {
		return body
	}
	return body + strings.Repeat(".", n-len(body))
}

// chaosAnswer answers, well or badly. over is called before the last byte, since
// the next request may come right behind it.
func chaosAnswer(w http.ResponseWriter, do, body string, over func()) {
	switch do {
	case "slow":
		<-time.After(30 * time.Millisecond)
	case "hang": // longer than timeouts.read: the process will be killed
		<-time.After(time.Hour)
	case "trickle": // chunks
		half := len(body) / 2
		io.WriteString(w, body[:half])
		w.(http.Flusher).Flush()
		<-time.After(20 * time.Millisecond)
		over()
		io.WriteString(w, body[half:])
		return
	case "events": // a stream, piece by piece
		const pieces = 10
		for i := range pieces {
			from, to := len(body)*i/pieces, len(body)*(i+1)/pieces
			if i == pieces-1 {
				over()
			}
			io.WriteString(w, body[from:to])
			w.(http.Flusher).Flush()
			<-time.After(10 * time.Millisecond)
		}
		return
	case "exit":
		os.Exit(3)
	case "cut", "garbage", "close", "split":
		c, _, err := w.(http.Hijacker).Hijack()
		over()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, map[string]string{
			"cut":     "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + body,
			"garbage": "\x00\x01 no HTTP \r\n\r\n",
			"close":   "",
			"split":   "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n",
		}[do])
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	over()
	io.WriteString(w, body)
}
