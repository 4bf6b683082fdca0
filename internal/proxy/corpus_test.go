package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// TestCorpus plays the files of testdata/corpus, each against a server of its
// own. The first line says what it is about. The others are steps:
//
//	== send          the client sends this
//	== half-close    the client ends its side
//	== get           the client must get this, to the byte
//	== refused N     the client must get an answer N of ripd's own, and then the end
//	== own N         the client must get an answer N of ripd's own; the connection goes on
//	== status N      the client must get an answer without a body
//	== ends          the client must get the connection's end
//	== worker        a worker must have received this; without any: nothing at all
//	== answer        what the worker answers, request by request; "ok" is the default
//	== answer-close  the worker ends its connection after the answer before
//	== dropped CAUSE the worker must be dropped because of this; without it, none may be
//
// A line stands for its text and CRLF, without CRLF when a backslash ends it. It
// may have the escapes of Go, {x*N} for N times x, and {date}, {id} and {start}
// for what ripd fills in. A connection whose case does not say that it ends must
// serve another request afterwards.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.case")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	// What is hidden in TLS is read by the same code: each case twice.
	for _, file := range files {
		t.Run("tls/"+strings.TrimSuffix(filepath.Base(file), ".case"), func(t *testing.T) {
			t.Parallel()
			playCase(t, readCase(t, file), newSecureRig)
		})
		t.Run(strings.TrimSuffix(filepath.Base(file), ".case"), func(t *testing.T) {
			t.Parallel()
			playCase(t, readCase(t, file), newRig)
		})
	}
}

// step is one step of a case.
type step struct{ verb, arg, text string }

func readCase(t testing.TB, file string) (steps []step) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if !strings.HasPrefix(lines[0], "about ") {
		t.Fatalf("%s does not say what it is about", file)
	}
	for _, line := range lines[1:] {
		if verb, found := strings.CutPrefix(line, "== "); found {
			verb, arg, _ := strings.Cut(verb, " ")
			steps = append(steps, step{verb: verb, arg: arg})
			continue
		}
		s := &steps[len(steps)-1]
		s.text += unescape(t, line)
	}
	return steps
}

var repetition = regexp.MustCompile(`\{(.)\*(\d+)\}`)

// unescape turns a line of a case into bytes.
func unescape(t testing.TB, line string) string {
	t.Helper()
	end := "\r\n"
	if s, found := strings.CutSuffix(line, `\`); found {
		line, end = s, ""
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(line, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return repetition.ReplaceAllStringFunc(text, func(s string) string {
		m := repetition.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[2]) // digits, says the expression
		return strings.Repeat(m[1], n)
	}) + end
}

// What ripd fills in has a fixed length, so that the length of a message is known.
var (
	filledIn = strings.NewReplacer("{date}", strings.Repeat("D", 29), "{id}", strings.Repeat("I", 24), "{start}", strings.Repeat("S", 16))
	patterns = strings.NewReplacer(`\{date\}`, `[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`,
		`\{id\}`, `([0-9a-f]{24})`, `\{start\}`, `\d{16}`)
)

// match compares, and returns the ids in got.
func match(t *testing.T, who, got, want string) (ids []string) {
	t.Helper()
	m := regexp.MustCompile(`(?s)\A` + patterns.Replace(regexp.QuoteMeta(want)) + `\z`).FindStringSubmatch(got)
	if m == nil {
		t.Fatalf("%s got\n%.2000q\nwant\n%.2000q", who, got, want)
	}
	return m[1:]
}

// scripted is a worker that plays the answers of a case.
type scripted struct {
	mu       sync.Mutex
	answers  []step
	received []byte
}

func (w *scripted) serve(c net.Conn) {
	var raw bytes.Buffer
	br := bufio.NewReader(io.TeeReader(c, &raw))
	for {
		req, err := http.ReadRequest(br)
		if err == nil {
			_, err = io.Copy(io.Discard, req.Body)
		}
		if err == nil && req.URL.Path == "/alive" {
			io.WriteString(c, ok("alive"))
			return
		}
		w.mu.Lock()
		w.received = append(w.received, raw.Bytes()...)
		raw.Reset()
		answer, ends := ok("ok"), false
		if err == nil && len(w.answers) > 0 {
			answer, w.answers = w.answers[0].text, w.answers[1:]
		}
		if len(w.answers) > 0 && w.answers[0].verb == "answer-close" {
			ends, w.answers = true, w.answers[1:]
		}
		w.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, answer); err != nil || ends {
			return
		}
	}
}

// workerAndClient splits the steps by whose they are.
func workerAndClient(steps []step) (w *scripted, wanted string, drops []pool.Cause, client []step) {
	w = &scripted{}
	for _, s := range steps {
		switch s.verb {
		case "answer", "answer-close":
			w.answers = append(w.answers, s)
		case "worker":
			wanted += s.text
		case "dropped":
			drops = append(drops, pool.Cause(s.arg))
		default:
			client = append(client, s)
		}
	}
	return w, wanted, drops, client
}

func playCase(t *testing.T, steps []step, newRig func(testing.TB, func(*proxy.Options)) *rig) {
	w, wanted, drops, client := workerAndClient(steps)
	r := newRig(t, func(o *proxy.Options) {
		o.Config.Limits.Header, o.Config.Limits.Body, o.Config.Limits.Buffer = 8<<10, 20_000, 1000
	})
	r.worker(w.serve)
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Pool().Snapshot(r.server.Now()).Idle == 1 })
	before := time.Now()
	c := r.dial()
	var ids []string
	ended := false
	for _, s := range client {
		got, ends := playStep(t, c, s)
		ids, ended = append(ids, got...), ended || ends
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(r.dropped()) == len(drops) }, "%d dropped workers", len(drops))
	if got := r.dropped(); !slices.Equal(got, drops) {
		t.Errorf("dropped %v, want %v", got, drops)
	}
	if len(drops) > 0 {
		r.worker(w.serve)
	}
	if !ended {
		c.get("/alive", 200, "alive")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.cert != nil {
		wanted = strings.ReplaceAll(wanted, "X-Forwarded-Proto: http\r\n", "X-Forwarded-Proto: https\r\n")
	}
	seen := match(t, "the worker", string(w.received), wanted)
	if strings.Join(seen, " ") != strings.Join(ids, " ") {
		t.Errorf("ids at the worker %v, at the client %v", seen, ids)
	}
	for _, m := range regexp.MustCompile(`X-Request-Start: t=(\d+)`).FindAllSubmatch(w.received, -1) {
		micros, err := strconv.ParseInt(string(m[1]), 10, 64)
		if at := time.UnixMicro(micros); err != nil || at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("X-Request-Start %s is not the time of the request", m[1])
		}
	}
}

// playStep plays a step of the client's, and returns the ids of answers.
func playStep(t *testing.T, c *client, s step) (ids []string, ends bool) {
	switch s.verb {
	case "send":
		c.write(s.text)
	case "half-close":
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	case "get":
		got := make([]byte, len(filledIn.Replace(s.text)))
		n, err := io.ReadFull(c.br, got)
		if err != nil {
			t.Errorf("an answer ends with %v", err)
		}
		return match(t, "the client", string(got[:n]), s.text), false
	case "ends":
		c.ends()
		return nil, true
	case "status":
		res, _ := c.read("HEAD")
		if strconv.Itoa(res.StatusCode) != s.arg || res.ContentLength <= 0 {
			t.Errorf("got %s with %v", res.Status, res.Header)
		}
	case "own":
		res, body := c.read("GET")
		if strconv.Itoa(res.StatusCode) != s.arg || res.Close || res.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("got %s with %q, want %s", res.Status, body, s.arg)
		}
		if res.StatusCode >= 500 { // a worker had it
			ids = append(ids, res.Header.Get("X-Request-Id"))
		}
		return ids, false
	case "refused":
		res, body := c.read("GET")
		if strconv.Itoa(res.StatusCode) != s.arg || !strings.HasPrefix(body, s.arg+" ") {
			t.Fatalf("got %s with %q, want %s", res.Status, body, s.arg)
		}
		if !res.Close || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Date") == "" || len(res.Header.Get("X-Request-Id")) != 24 {
			t.Errorf("fields of a refusal: %v", res.Header)
		}
		c.ends()
		return nil, true
	default:
		t.Fatalf("an unknown step %q", s.verb)
	}
	return nil, false
}
