package worker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// call is what a worker says on the control socket.
type call struct {
	Op, App, Token, Version string
	WorkerID, PID           int
}

// fakeControl is a control socket that takes the calls of one worker.
type fakeControl struct {
	path, token string

	mu    sync.Mutex
	calls []call
}

func newFakeControl(t *testing.T, token string) *fakeControl {
	t.Helper()
	c := &fakeControl{path: testkit.TempSocket(t, "ctl.sock"), token: token}
	listener, err := net.Listen("unix", c.path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: c, ReadTimeout: testkit.Timeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return c
}

func (c *fakeControl) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var got call
	err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&got)
	if header := r.Header.Get("Rip-Token"); header != "" {
		got.Token = header
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/worker" || got.Token != c.token {
		http.Error(w, `{"error":{"code":"forbidden","message":"no"}}`, http.StatusForbidden)
		return
	}
	c.mu.Lock()
	c.calls = append(c.calls, got)
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintln(w, `{"ok":true}`)
}

// count tells how many calls with this op were right.
func (c *fakeControl) count(op string, p *Process) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, got := range c.calls {
		if got.Op == op && got.App == "shop" && got.WorkerID == 3 && got.PID == p.PID() {
			n++
		}
	}
	return n
}

// codeBlocks gives the fenced code of a language in docs/worker-protocol.md.
func codeBlocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "worker-protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for rest := string(text); ; {
		_, after, found := strings.Cut(rest, "\n```"+language+"\n")
		if !found {
			return blocks
		}
		block, next, closed := strings.Cut(after, "\n```\n")
		if !closed {
			t.Fatalf("a block of %s does not end", language)
		}
		blocks, rest = append(blocks, block+"\n"), next
	}
}

// TestDocumentedWorkers runs the complete workers of the documentation as they
// stand there.
func TestDocumentedWorkers(t *testing.T) {
	l := newLauncher(t)
	for _, tc := range []struct {
		language, file string
		needs          []string
		command        []string // before the file
		keepsAlive     bool
	}{
		{"python", "worker.py", []string{"python3"}, []string{"python3"}, true},
		{"javascript", "worker.js", []string{"node"}, []string{"node"}, true},
		{"ruby", "worker.rb", []string{"ruby"}, []string{"ruby"}, true},
		{"sh", "worker.sh", []string{"socat", "curl"}, nil, false},
	} {
		t.Run(tc.language, func(t *testing.T) {
			testkit.Need(t, tc.needs...)
			blocks := codeBlocks(t, tc.language)
			file := filepath.Join(t.TempDir(), tc.file)
			if err := os.WriteFile(file, []byte(blocks[len(blocks)-1]), 0o755); err != nil {
				t.Fatal(err)
			}
			control := newFakeControl(t, "the-secret")
			s := documentedSpec(t, control)
			s.Command = append(tc.command, file)
			p, _ := start(t, l, s)
			testkit.Eventually(t, testkit.Timeout, func() bool {
				return control.count("register", p) == 1 || ended(p.PID())
			}, "the register of %s", tc.file)
			askTwice(t, s.Socket, tc.keepsAlive)
			p.Terminate()
			if exit := waitDone(t, p); !exit.Clean() || len(p.LastWords()) > 0 {
				t.Errorf("%v: %q", exit, p.LastWords())
			}
			if control.count("register", p) != 1 || control.count("deregister", p) != 1 {
				t.Errorf("calls: %+v", control.calls)
			}
		})
		t.Run(tc.language+" with a wrong token", func(t *testing.T) {
			testkit.Need(t, tc.needs...)
			blocks := codeBlocks(t, tc.language)
			file := filepath.Join(t.TempDir(), tc.file)
			if err := os.WriteFile(file, []byte(blocks[len(blocks)-1]), 0o755); err != nil {
				t.Fatal(err)
			}
			s := documentedSpec(t, newFakeControl(t, "another-secret"))
			s.Command = append(tc.command, file)
			p, _ := start(t, l, s)
			if exit := waitDone(t, p); exit.Clean() || len(p.LastWords()) == 0 {
				t.Errorf("%v: %q", exit, p.LastWords())
			}
		})
	}
}

func documentedSpec(t *testing.T, control *fakeControl) Spec {
	t.Helper()
	socket := testkit.TempSocket(t, "rip_main_shop.3.sock")
	dir := t.TempDir()
	return Spec{
		App: "shop", ID: 3, Generation: 1, Dir: dir, Socket: socket, Ready: config.ReadyRegister,
		Env: Environment(os.Environ(), nil, nil, Variables{
			App: "shop", ID: 3, Generation: 1, Variant: "main", Socket: socket, Control: control.path, Token: "the-secret", Dir: dir,
		}),
	}
}

// askTwice sends two requests, on one connection if the worker keeps it.
func askTwice(t *testing.T, socket string, keepsAlive bool) {
	t.Helper()
	var conn net.Conn
	var reader *bufio.Reader
	for _, path := range []string{"/first", "/second?x=1"} {
		if conn == nil {
			var err error
			if conn, err = net.Dial("unix", socket); err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(testkit.Timeout)); err != nil {
				t.Fatal(err)
			}
			reader = bufio.NewReader(conn)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 1\r\n\r\n", path)
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != 200 || string(body) != "hello from worker 3: "+path+"\n" {
			t.Errorf("%s: %d %q, %v", path, answer.StatusCode, body, err)
		}
		if answer.Close == keepsAlive {
			t.Errorf("%s: close is %v", path, answer.Close)
		}
		if answer.Close {
			conn = nil
		}
	}
}

// TestDocumentedNotify runs the documentation's lines for READY=1.
func TestDocumentedNotify(t *testing.T) {
	testkit.Need(t, "python3")
	l := newLauncher(t)
	s := readySpec(t, config.ReadyNotify)
	s.Command = []string{"python3", "-c", codeBlocks(t, "python")[0] + "\nimport time; time.sleep(1000)"}
	p, _ := start(t, l, s)
	testkit.Closed(t, testkit.Timeout, p.ReadyC())
	if p.StatusText() != "cache is warm" {
		t.Errorf("status %q", p.StatusText())
	}
	p.Kill()
	waitDone(t, p)
}

// TestDocumentedCalls checks that the calls which the documentation shows are
// JSON, and name what the code has.
func TestDocumentedCalls(t *testing.T) {
	for line := range strings.Lines(codeBlocks(t, "json")[0]) {
		var got call
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.App != "shop" || got.WorkerID != 3 {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "worker-protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range (Variables{Binary: "x", Credentials: "x"}).values() {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("the variable %s is not in the documentation", name)
		}
	}
	for _, name := range append(privateNames, privatePrefixes...) {
		if name != "_" && name != "RIP_" && !strings.Contains(string(text), "`"+name) {
			t.Errorf("%s is not in the documentation", name)
		}
	}
}
