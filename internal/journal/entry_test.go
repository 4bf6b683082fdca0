package journal

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// journald takes what systemd's journal would.
type journald struct {
	t    *testing.T
	path string
	conn *net.UnixConn

	mu      sync.Mutex
	entries []map[string]string
}

func newJournald(t *testing.T) *journald {
	t.Helper()
	j := &journald{t: t, path: filepath.Join(testkit.TempSocketDir(t), "socket")}
	j.listen()
	return j
}

func (j *journald) listen() {
	j.t.Helper()
	_ = os.Remove(j.path)
	var err error
	if j.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: j.path, Net: "unixgram"}); err != nil {
		j.t.Fatal(err)
	}
	conn := j.conn
	j.t.Cleanup(func() { conn.Close() })
}

// reads takes messages until the test ends.
func (j *journald) reads() {
	conn, done := j.conn, make(chan struct{})
	go func() {
		defer close(done)
		room, oob := make([]byte, 1<<20), make([]byte, 128)
		for {
			n, oobn, _, _, err := conn.ReadMsgUnix(room, oob)
			if err != nil {
				return
			}
			data := bytes.Clone(room[:n])
			if oobn > 0 {
				data = j.file(oob[:oobn])
			}
			j.mu.Lock()
			j.entries = append(j.entries, fields(j.t, data))
			j.mu.Unlock()
		}
	}()
	j.t.Cleanup(func() { conn.Close(); <-done })
}

// file reads a descriptor that came instead of a datagram.
func (j *journald) file(oob []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		j.t.Error(err)
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		j.t.Error(err)
		return nil
	}
	f := os.NewFile(uintptr(fds[0]), "memfd")
	defer f.Close()
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&unix.F_SEAL_WRITE == 0 {
		j.t.Errorf("seals %x, %v", seals, err)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		j.t.Error(err)
	}
	return data
}

// fields reads the native protocol.
func fields(t *testing.T, data []byte) map[string]string {
	m := map[string]string{}
	for len(data) > 0 {
		line, rest, ok := bytes.Cut(data, []byte("\n"))
		if !ok {
			t.Errorf("a field without an end: %q", data)
			return m
		}
		name, value, simple := strings.Cut(string(line), "=")
		if !simple {
			n := binary.LittleEndian.Uint64(rest)
			value, rest = string(rest[8:8+n]), rest[8+n+1:]
		}
		m[name] = value
		data = rest
	}
	return m
}

func (j *journald) wait(n int) []map[string]string {
	j.t.Helper()
	testkit.Eventually(j.t, testkit.Timeout, func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return len(j.entries) >= n
	}, "%d entries", n)
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries
}

func (j *journald) open(o Options) *Journal {
	j.t.Helper()
	var err error
	if o.Entries, err = NewSender(j.path); err != nil {
		j.t.Fatal(err)
	}
	o.App, o.Look = "shop", Look{Journal: true, Stamp: None}
	journal := Open(o)
	j.t.Cleanup(func() { _ = journal.Close() })
	return journal
}

func (j *journald) expect(got map[string]string, want map[string]string) {
	j.t.Helper()
	for name, value := range want {
		if got[name] != value {
			j.t.Errorf("%s is %q, not %q, in %q", name, got[name], value, got)
		}
	}
}

func TestEntries(t *testing.T) {
	j := newJournald(t)
	j.reads()
	logs := j.open(Options{})

	logs.Log.With("worker", 3).Error("worker ended", "pid", 4711, "exit", "exit status 1", "took_ms", 1500*time.Microsecond, "output", "a\nb", slog.Group("g", "k-1", 1))
	got := j.wait(1)[0]
	j.expect(got, map[string]string{
		"MESSAGE":  `worker ended worker=3 pid=4711 exit="exit status 1" took_ms=1.5 output="a\nb" g.k-1=1`,
		"PRIORITY": "3", "SYSLOG_IDENTIFIER": "ripd@shop", "RIP_APP": "shop", "RIP_LINE": "message", "RIP_WORKER": "3",
		"OBJECT_PID": "4711", "RIP_EXIT": "exit status 1", "RIP_TOOK_MS": "1.5", "RIP_OUTPUT": "a\nb", "RIP_G_K_1": "1", "SYSLOG_FACILITY": "3",
	})

	a := sample()
	a.Status, a.Cause, a.Retried, a.Path = 502, "read-failed", true, []byte("/a\nPRIORITY=0\n\xff")
	logs.Access.Log(a)
	got = j.wait(2)[1]
	j.expect(got, map[string]string{
		"PRIORITY": "4", "SYSLOG_IDENTIFIER": "ripd@shop", "RIP_LINE": "request", "HTTP_STATUS": "502", "HTTP_METHOD": string(a.Method),
		"HTTP_PATH": `/a\x0aPRIORITY=0\x0a\xff`, "REQUEST_ID": string(a.RequestID), "RIP_CAUSE": "read-failed", "RIP_RETRIED": "1", "RIP_CHOSEN": "",
	})
	if text := got["MESSAGE"]; !strings.HasPrefix(text, "502 ") || strings.Contains(text, "\n") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}

	if _, err := io.WriteString(logs.Sink, "a plain line\n"); err != nil {
		t.Fatal(err)
	}
	j.expect(j.wait(3)[2], map[string]string{"MESSAGE": "a plain line", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "ripd@shop"})
}

func TestEntriesOfWorkers(t *testing.T) {
	line := func(worker int, stream, text string, truncated bool) *WorkerLine {
		return &WorkerLine{Worker: worker, Generation: 2, PID: 40 + worker, Stream: stream, Text: []byte(text), Truncated: truncated}
	}
	for _, test := range []struct {
		name  string
		lines []*WorkerLine
		want  []string // worker, priority and text
	}{
		{"one", []*WorkerLine{line(3, "stdout", "hello", false)}, []string{"3 6 hello"}},
		{"priorities", []*WorkerLine{line(3, "stderr", "<3>bad", false), line(3, "stderr", "<8>x", false), line(3, "stderr", "<0>", false)}, []string{"3 3 bad", "3 6 <8>x", "3 0 "}},
		{"a stack trace", []*WorkerLine{
			line(1, "stderr", "Error: no", false), line(2, "stderr", "other", false), line(1, "stdout", "out", false), line(1, "stderr", "    at main", false), line(1, "stderr", "\tat x", false),
		}, []string{"1 6 Error: no\n    at main\n\tat x", "2 6 other", "1 6 out"}},
		{"a trace with a priority", []*WorkerLine{line(1, "stderr", "<3>Error", false), line(1, "stderr", "  at x", false), line(1, "stderr", "<3>  at y", false), line(1, "stderr", "<4>  note", false)}, []string{"1 3 Error\n  at x\n  at y", "1 4   note"}},
		{"an indented line first", []*WorkerLine{line(1, "stdout", "  x", false)}, []string{"1 6   x"}},
		{"a long line", []*WorkerLine{line(1, "stdout", "{\"a\":", true), line(2, "stdout", "x", false), line(1, "stdout", "\"b", true), line(1, "stdout", "c\"}", false), line(1, "stdout", "next", false)}, []string{"1 6 {\"a\":\"bc\"}", "2 6 x", "1 6 next"}},
		{"colours and controls", []*WorkerLine{line(1, "stdout", "\x1b[31mred\x1b[0m \x1b[2J", false)}, []string{`1 6 red \x1b[2J`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var batch []byte
			l := &WorkerLog{app: "shop"}
			for _, w := range test.lines {
				batch = l.appendEntry(batch, w)
			}
			list := messages(batch)
			var got []string
			for i := range list {
				f := fields(t, list[i].datagram(nil))
				if f["SYSLOG_IDENTIFIER"] != "shop/worker-"+f["RIP_WORKER"] || f["OBJECT_PID"] != "4"+f["RIP_WORKER"] || f["RIP_GENERATION"] != "2" {
					t.Errorf("%q", f)
				}
				got = append(got, f["RIP_WORKER"]+" "+f["PRIORITY"]+" "+f["MESSAGE"])
			}
			if strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("%q\nnot\n%q", got, test.want)
			}
		})
	}
}

func TestJoinedMessagesAreBounded(t *testing.T) {
	l := &WorkerLog{app: "shop"}
	var batch []byte
	part := bytes.Repeat([]byte("x"), 100<<10)
	for range 4 {
		batch = l.appendEntry(batch, &WorkerLine{Worker: 1, Text: part, Truncated: true})
	}
	list := messages(batch)
	if len(list) != 2 || len(list[0].text) != 200<<10 || len(list[1].text) != 200<<10 {
		t.Errorf("%d messages", len(list))
	}
}

func TestLargeEntry(t *testing.T) {
	j := newJournald(t)
	j.reads()
	logs := j.open(Options{})
	text := strings.Repeat("0123456789", 50<<10)
	logs.Workers.Log(&WorkerLine{Worker: 1, Stream: "stdout", Text: []byte(text)})
	if got := j.wait(1)[0]["MESSAGE"]; got != text {
		t.Errorf("%d bytes, not %d", len(got), len(text))
	}
}

// A journal that takes nothing makes nobody wait: lines are lost, counted, and told.
func TestStalledJournal(t *testing.T) {
	j := newJournald(t)
	logs := j.open(Options{})
	began := time.Now()
	a := sample()
	for range 20000 {
		logs.Access.Log(a)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	lost := logs.Dropped()
	if lost == 0 {
		t.Fatal("nothing was dropped")
	}
	j.reads()
	testkit.Eventually(t, testkit.Timeout, func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, e := range j.entries {
			if e["RIP_DROPPED"] != "" {
				return e["PRIORITY"] == "4" && e["RIP_WITHIN_MS"] != ""
			}
		}
		return false
	}, "the message about %d lost lines", lost)
}

func TestStalledJournalAtTheEnd(t *testing.T) {
	j := newJournald(t)
	logs := j.open(Options{})
	for range 2000 {
		logs.Access.Log(sample())
	}
	if err := logs.Close(); err == nil {
		t.Error("no error")
	}
	if logs.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
}

func TestJournalThatIsStartedAnew(t *testing.T) {
	j := newJournald(t)
	logs := j.open(Options{})
	j.conn.Close()
	j.listen()
	j.reads()
	logs.Log.Info("again")
	j.expect(j.wait(1)[0], map[string]string{"MESSAGE": "again"})

	if _, err := NewSender(j.path + "x"); err == nil {
		t.Error("a journal that is not there")
	}
}

func TestChoice(t *testing.T) {
	at := time.Unix(100, 0)
	c := NewChoice(time.Second, 3)
	request := func(status int, queue, worker time.Duration) string {
		return c.choose(&Access{Time: at, Status: status, Queue: queue, Worker: worker})
	}
	var got []string
	for range 5 {
		got = append(got, request(200, 0, time.Millisecond))
	}
	got = append(got, request(503, 0, 0), request(404, 600*time.Millisecond, 400*time.Millisecond), request(0, 0, 999*time.Millisecond))
	if want := "sample,,,sample,,error,slow,"; strings.Join(got, ",") != want {
		t.Errorf("%q", got)
	}
	for range 2 * maxChosen {
		request(500, 0, 0)
	}
	if left := c.leftOut.Load(); left != maxChosen+4 {
		t.Errorf("%d left out", left)
	}
	at = at.Add(time.Second)
	if request(500, 0, 0) != chosenError {
		t.Error("nothing in the next second")
	}
	none := NewChoice(0, 0)
	if none.choose(&Access{Status: 200, Worker: time.Hour}) != "" || none.choose(&Access{Status: 500}) != chosenError {
		t.Error("0 is not none")
	}
}

func TestAccessFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	file, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out output
	logs := Open(Options{Out: &out, Look: Look{Stamp: None}, File: file})
	lines := func(path string) int {
		data, _ := os.ReadFile(path)
		return bytes.Count(data, newline)
	}
	logs.Access.Log(sample())
	testkit.Eventually(t, testkit.Timeout, func() bool { return lines(path) == 1 }, "a line in the file")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := logs.Reopen(); err != nil {
		t.Fatal(err)
	}
	logs.Access.Log(sample())
	logs.Log.Info("own")
	if err := logs.Close(); err != nil {
		t.Fatal(err)
	}
	if lines(path) != 1 || lines(path+".1") != 1 || out.String() != "level=INFO msg=own\n" {
		t.Errorf("%d, %d, %q", lines(path), lines(path+".1"), out.String())
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Error(info, err)
	}
	if _, err := OpenFile(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
	if (&Journal{}).Reopen() != nil {
		t.Error("no file")
	}
}
