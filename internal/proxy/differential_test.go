package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// input is what a client sends over one connection.
type input struct{ name, text string }

// inputs are all requests of the corpora, this package's and the codec's, and as
// many mutants of each as asked for. They are the same in each run.
func inputs(t *testing.T, mutants int) (all []input) {
	t.Helper()
	cases, err := filepath.Glob("testdata/corpus/*.case")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range cases {
		text := ""
		for _, s := range readCase(t, file) {
			if s.verb == "send" {
				text += s.text
			}
		}
		all = append(all, input{filepath.Base(file), text})
	}
	for folder, head := range map[string]string{
		"requests": "", "chunked": "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		files, err := filepath.Glob("../http1/testdata/" + folder + "/*.http")
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, input{filepath.Base(file), head + string(text)})
		}
	}
	slices.SortFunc(all, func(a, b input) int { return strings.Compare(a.name, b.name) })
	random := rand.New(rand.NewPCG(1, 2))
	for _, in := range all {
		for range mutants {
			all = append(all, input{"mutant of " + in.name, mutate(random, in.text)})
		}
	}
	return all
}

// tokens are what programs differ about.
var tokens = []string{
	"\r", "\n", "\r\n", " ", "\t", "\x00", "\x0b", ",", ";", ":", "+", "-", "0x", `"`, "0", "chunked", "\r\n\r\n", "0\r\n\r\n",
	"\r\nContent-Length: 5", "\r\nContent-Length: 0", "\r\nTransfer-Encoding: chunked", "\r\nTransfer-Encoding: identity", "\r\nHost: b", "\r\n x", "HTTP/1.0",
}

// mutantsEach is how many mutants of each input are played.
const mutantsEach = 5

// mutate puts a piece somewhere, in the place of up to two bytes.
func mutate(random *rand.Rand, text string) string {
	for range 1 + random.IntN(2) {
		at := random.IntN(len(text) + 1)
		text = text[:at] + tokens[random.IntN(len(tokens))] + text[min(len(text), at+random.IntN(3)):]
	}
	return text
}

// playMost bounds one play. Most servers give up on what hangs after a second.
const playMost = 2 * time.Second

// play sends the input and returns what comes back until the end. With last, a
// request that ends the connection follows; else the client ends its side.
func play(address string, in input, last bool) (got []byte) {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	c, err := net.Dial(network, address)
	if err != nil {
		return nil
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(playMost))
	text := in.text
	if last {
		text += "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	}
	io.WriteString(c, text) // an error is the server's word that it has enough
	if half, ok := c.(interface{ CloseWrite() error }); ok && !last {
		half.CloseWrite()
	}
	got, _ = io.ReadAll(c)
	return got
}

// playAll plays all inputs, some at a time, and returns what came back for each.
func playAll(address string, all []input, last bool) (got [][]byte) {
	const atOnce = 16
	got = make([][]byte, len(all))
	next := make(chan int)
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for i := range next {
				got[i] = play(address, all[i], last)
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	group.Wait()
	return got
}

// served is a request as ripd's access log tells it.
type served struct {
	Status  int    `json:"status"`
	Method  string `json:"method"`
	Path    string `json:"path"`
	BytesIn int    `json:"bytes_in"`
	Worker  int    `json:"worker"`
	ID      string `json:"request_id"`
	Cause   string `json:"cause"`
}

// counted is ripd with an access log that a test reads.
type counted struct {
	*rig
	access *journal.AccessLog
	out    bytes.Buffer
	lines  *lines
}

func newCounted(t *testing.T, buffering bool) *counted {
	c := &counted{lines: &lines{}}
	t.Cleanup(func() {
		if err := c.access.Close(); err != nil {
			t.Error(err)
		}
	})
	c.access = journal.NewAccessLog(journal.AccessOptions{Mode: config.AccessJSON, Out: &c.out, App: "test"})
	c.rig = newRig(t, func(o *proxy.Options) {
		o.Access, o.Log = c.access, slog.New(c.lines)
		o.Config.Proxy.RequestBuffering = buffering
		o.Config.Queue.Size = 1000
		o.Config.Limits.Header, o.Config.Limits.Body, o.Config.Limits.Buffer = 8<<10, 20_000, 1000
		o.Config.Timeouts.ClientHeader, o.Config.Timeouts.ClientBody, o.Config.Timeouts.ClientIdle = time.Second, time.Second, 2*time.Second
	})
	return c
}

// requests stops ripd and returns what its workers had.
func (c *counted) requests(t *testing.T) map[string]served {
	t.Helper()
	if d := c.dropped(); len(d) > 0 {
		t.Errorf("workers were dropped: %v", d)
	}
	for _, line := range append(c.lines.with("a worker wrote"), c.lines.with("was not HTTP")...) {
		t.Error(line)
	}
	c.stop(2 * time.Second)
	if err := c.access.Close(); err != nil {
		t.Fatal(err)
	}
	all := map[string]served{}
	for line := range strings.Lines(c.out.String()) {
		var s served
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if s.Worker > 0 {
			all[s.ID] = s
		}
	}
	return all
}

// TestBackendsCountAsRipdDoes has backends whose parsers are not ripd's behind
// ripd. Each request that ripd hands out is one request for each of them, with the
// same end; what they refuse, they refuse as one.
func TestBackendsCountAsRipdDoes(t *testing.T) {
	testkit.Need(t, "node", "nginx", "haproxy")
	all := inputs(t, mutantsEach)
	for _, name := range []string{"go", "node", "nginx", "haproxy"} {
		for _, buffering := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s,buffering=%v", name, buffering), func(t *testing.T) {
				dir := testkit.TempSocketDir(t)
				ripd := newCounted(t, buffering)
				backend := startRecorder(t, dir, "app.sock")
				switch name {
				case "node":
					backend = startNode(t, dir)
				case "nginx", "haproxy":
					backend = &startPeer(t, name, dir, ripd.addr, backend).peer
				}
				ripd.workerAt(1, backend.socket, 8)
				playAll(ripd.addr, all, false)
				compare(t, ripd.requests(t), backend.notes(t))
			})
		}
	}
}

// compare fails for each request that the two sides understood differently.
func compare(t *testing.T, handed map[string]served, seen []understood) {
	t.Helper()
	if len(seen) < 100 {
		t.Fatalf("only %d requests arrived", len(seen))
	}
	arrived := map[string]bool{}
	for _, u := range seen {
		s, known := handed[u.ID]
		switch {
		case !known:
			t.Errorf("a request that ripd knows nothing of: %+v", u)
		case arrived[u.ID]:
			t.Errorf("twice: %+v", u)
		case s.Status < 300 && (s.Method != u.Method || s.BytesIn != u.Length || len(u.Target) < 1000 && s.Path != u.Target):
			t.Errorf("ripd: %+v, the backend: %+v", s, u)
		}
		arrived[u.ID] = true
	}
	refused := map[string]int{}
	for id, s := range handed {
		switch {
		case arrived[id]:
		case s.Cause != "": // the client left, or its body was at fault
		case s.Status >= 400 && s.Status < 500:
			refused[fmt.Sprintf("%d %s %.40s", s.Status, s.Method, s.Path)]++
		default:
			t.Errorf("answered, and yet it did not arrive: %+v", s)
		}
	}
	t.Logf("%d requests arrived as ripd had counted them; refused by the backend: %v", len(arrived), refused)
}

// TestServersInFrontCountAsRipdDoes has nginx and HAProxy before ripd: each request
// that the app gets is one that the server in front has seen, and marked.
func TestServersInFrontCountAsRipdDoes(t *testing.T) {
	testkit.Need(t, "nginx", "haproxy")
	all := inputs(t, mutantsEach)
	for _, name := range []string{"nginx", "haproxy"} {
		t.Run(name, func(t *testing.T) {
			dir := testkit.TempSocketDir(t)
			ripd := newCounted(t, true)
			app := startRecorder(t, dir, "app.sock")
			ripd.workerAt(1, app.socket, 8)
			front := startPeer(t, name, dir, ripd.addr, app)
			playAll(front.beforeRipd, all, true)
			marks := map[string]bool{}
			seen := app.notes(t)
			for _, u := range seen {
				if u.front == "" || strings.Contains(u.front, "+") || marks[u.front] {
					t.Errorf("smuggled past the server in front: %+v", u)
				}
				marks[u.front] = true
			}
			if len(seen) < 100 {
				t.Errorf("only %d requests arrived", len(seen))
			}
			t.Logf("%d requests arrived, all of them marked", len(seen))
		})
	}
}

// TestStricterThanOthers compares what ripd, nginx, HAProxy, Node and net/http
// accept, each alone. Whatever ripd accepts, one of the others does, too; the
// lists are for people.
func TestStricterThanOthers(t *testing.T) {
	testkit.Need(t, "node", "nginx", "haproxy")
	dir := testkit.TempSocketDir(t)
	ripd := newCounted(t, true)
	app := startRecorder(t, dir, "app.sock")
	ripd.workerAt(1, app.socket, 8)
	others := []struct{ name, address string }{
		{"nginx", startPeer(t, "nginx", dir, ripd.addr, app).beforeApp},
		{"haproxy", startPeer(t, "haproxy", dir, ripd.addr, app).beforeApp},
		{"node", startNode(t, dir).socket},
		{"go", app.socket},
	}
	all := inputs(t, 0)
	own := playAll(ripd.addr, all, true)
	answers := make([][][]byte, len(others))
	var group sync.WaitGroup
	for i, o := range others {
		group.Go(func() { answers[i] = playAll(o.address, all, true) })
	}
	group.Wait()
	most := make([]int, len(all))
	for n, o := range others {
		var stricter, looser []string
		for i, got := range answers[n] {
			mine, theirs := accepted(own[i]), accepted(got)
			most[i] = max(most[i], theirs)
			switch {
			case mine < theirs:
				stricter = append(stricter, strings.TrimSuffix(all[i].name, ".case"))
			case mine > theirs:
				looser = append(looser, strings.TrimSuffix(all[i].name, ".case"))
			}
		}
		t.Logf("of %d, ripd accepts less than %s in %d: %v\nand more in %d: %v", len(all), o.name, len(stricter), stricter, len(looser), looser)
	}
	for i, n := range most {
		if mine := accepted(own[i]); mine > n {
			t.Errorf("%s: ripd accepts %d requests, and nobody else more than %d:\n%.300q", all[i].name, mine, n, own[i])
		}
	}
}

// accepted counts the answers that are no refusals.
func accepted(got []byte) int {
	return bytes.Count(got, []byte("HTTP/1.1 20")) + bytes.Count(got, []byte("HTTP/1.0 20"))
}
