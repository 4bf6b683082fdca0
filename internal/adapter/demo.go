package adapter

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a request may ask of the demo.
const (
	sleepMax       = 60 * time.Second // of /sleep
	streamLinesMax = 10_000           // of /stream
	streamPauseMax = 10 * time.Second // between two lines
	streamMax      = 5 * time.Minute  // all pauses together
	echoBuffer     = 32 << 10         // of a body on its way back, in bytes
)

const (
	textPlain   = "text/plain; charset=utf-8"
	eventStream = "text/event-stream"
)

const demoPage = `This is ripd's demo: worker %d of generation %s, process %d.

/ping               pong and the time
/sleep?ms=250       answers after so long (at most 60000): send many, and watch the queue
/echo               your request as the worker got it, body and all
/stream?n=10&ms=500 lines as they come; server-sent events with Accept: text/event-stream
/crash              the worker exits: one 502, and a new worker is there
/crash?late=1       the same in the middle of the answer

Next, in another terminal: ripctl status, ripctl workers, ripctl restart.
`

// demo answers the demo's requests.
type demo struct {
	worker worker
	log    *log.Logger
	exit   func(code int) // os.Exit, but in tests
}

// demoHandler is a switch and not a ServeMux, since /ping is the worker of
// load tests.
func demoHandler(w worker, logger *log.Logger, exit func(int)) http.Handler {
	d := &demo{worker: w, log: logger, exit: exit}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ping":
			d.ping(w)
		case "/sleep":
			d.sleep(w, r)
		case "/echo":
			d.echo(w, r)
		case "/stream":
			d.stream(w, r)
		case "/crash":
			d.crash(w, r)
		case "/":
			d.page(w, http.StatusOK)
		default:
			d.page(w, http.StatusNotFound)
		}
	})
}

// The values of fields that are the same each time. Setting a slice that
// exists costs no allocation; net/http only reads it.
var (
	plainValue = []string{textPlain}
	noValue    []string // ripd writes Date itself
)

func (d *demo) ping(w http.ResponseWriter) {
	head := w.Header()
	head["Content-Type"], head["Date"] = plainValue, noValue
	var buf [64]byte
	body := append(buf[:0], "pong "...)
	body = time.Now().UTC().AppendFormat(body, "2006-01-02T15:04:05.000000Z")
	w.Write(append(body, '\n'))
}

func (d *demo) page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", textPlain)
	w.WriteHeader(status)
	fmt.Fprintf(w, demoPage, d.worker.id, d.worker.generation, os.Getpid())
}

func (d *demo) sleep(w http.ResponseWriter, r *http.Request) {
	ms, err := number(r.URL.Query(), "ms", 100, int(sleepMax/time.Millisecond))
	if err != nil {
		refuse(w, err)
		return
	}
	if !pause(r, time.Duration(ms)*time.Millisecond) {
		return
	}
	w.Header().Set("Content-Type", textPlain)
	fmt.Fprintf(w, "slept %d ms in worker %d\n", ms, d.worker.id)
}

// echo answers with the request, as the worker saw it. The body is sent back
// while it arrives, so its size is not bounded here.
func (d *demo) echo(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil {
		d.log.Print("demo worker: /echo: ", err)
	}
	w.Header().Set("Content-Type", textPlain)
	fmt.Fprintf(w, "%s %s %s\nHost: %s\n", r.Method, r.RequestURI, r.Proto, r.Host)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			fmt.Fprintf(w, "%s: %s\n", name, value)
		}
	}
	for _, coding := range r.TransferEncoding {
		fmt.Fprintf(w, "Transfer-Encoding: %s\n", coding)
	}
	if r.ContentLength > 0 {
		fmt.Fprintf(w, "Content-Length: %d\n", r.ContentLength)
	}
	fmt.Fprintln(w)
	if r.ContentLength == 0 {
		return
	}
	// io.Copy would wait for a full buffer; what is here goes back now.
	buf := make([]byte, echoBuffer)
	for {
		n, err := r.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			if err := control.Flush(); err != nil {
				return
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			d.log.Print("demo worker: /echo: read the body: ", err)
			panic(http.ErrAbortHandler) // an answer that ends here must not look complete
		}
	}
}

func (d *demo) stream(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	lines, err := number(query, "n", 10, streamLinesMax)
	if err != nil {
		refuse(w, err)
		return
	}
	ms, err := number(query, "ms", 500, int(streamPauseMax/time.Millisecond))
	if err != nil {
		refuse(w, err)
		return
	}
	wait := time.Duration(ms) * time.Millisecond
	if time.Duration(lines)*wait > streamMax {
		refuse(w, fmt.Errorf("n=%d lines every ms=%d take longer than %v", lines, ms, streamMax))
		return
	}
	format, kind := "line %d of %d at %s\n", textPlain
	if strings.Contains(r.Header.Get("Accept"), eventStream) {
		format, kind = "id: %d\ndata: line of %d at %s\n\n", eventStream
	}
	w.Header().Set("Content-Type", kind)
	control := http.NewResponseController(w)
	for i := 1; i <= lines; i++ {
		if i > 1 && !pause(r, wait) {
			return
		}
		fmt.Fprintf(w, format, i, lines, time.Now().UTC().Format(time.RFC3339Nano))
		if err := control.Flush(); err != nil {
			return
		}
	}
}

// crash ends the process without an answer, or with half of one.
func (d *demo) crash(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("late") {
		const half = "the first half of an answer\n"
		w.Header().Set("Content-Type", textPlain)
		w.Header().Set("Content-Length", strconv.Itoa(2*len(half)))
		io.WriteString(w, half)
		if err := http.NewResponseController(w).Flush(); err != nil {
			d.log.Print("demo worker: /crash: ", err)
		}
	}
	d.log.Printf("demo worker: crashing, as %s %s asked for", r.Method, r.URL.RequestURI())
	d.exit(exitCrash)
}

// pause waits, and reports false when the client left meanwhile.
func pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// number reads a whole number from 0 to most out of a query.
func number(query url.Values, name string, missing, most int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s=%s is not a whole number from 0 to %d", name, text, most)
	}
	return n, nil
}

func refuse(w http.ResponseWriter, err error) {
	http.Error(w, err.Error(), http.StatusBadRequest)
}
