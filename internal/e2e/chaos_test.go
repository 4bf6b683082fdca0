package e2e

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/testkit"
)

// chaosTime is for how long TestChaos makes chaos, unless CHAOS says something else
// (a duration, as 5m). With what comes before and after it, the test takes some
// 15 seconds more.
const chaosTime = 25 * time.Second

const (
	chaosClients = 12
	chaosWorkers = 4
	chaosQueue   = 64
	// chaosMore is how many goroutines, descriptors and threads a ripd at rest may
	// have more than another at rest.
	chaosMore = 12
	// chaosOrder is how much later a request may be begun than one that came after
	// it: what stands between the two is a client that is descheduled, or a request
	// that another worker gave back.
	chaosOrder = 5 * time.Second
	// usageExit is ripctl's word that it was not understood.
	usageExit = 2
)

const chaosConfig = `
command = [%q]
env = { %s = %q }
[workers]
count = %d
max_requests = 2000
stop_timeout = "3s"
upgrades = 20
[queue]
size = %d
timeout = "10s"
[timeouts]
read = "2s"
client_header = "10s"
client_body = "10s"
client_idle = "20s"
upgrade_drain = "1s"
[tls]
certificate = %q
key = %q
[limits]
connections = 500
[reload]
mode = "none"
`

// chaos is one run.
type chaos struct {
	*app
	t      *testing.T
	notes  string
	secure string // the url with TLS
	trust  *tls.Config
	write  func(queue int)   // the configuration
	random func() *rand.Rand // one for each goroutine
	ledger *ledger
	end    chan struct{}
	group  sync.WaitGroup

	mu   sync.Mutex
	done map[string]int // what was done, and how often
}

// Everything at once, under load: processes killed and stopped, slow and broken
// answers, streams, slow readers, TLS, WebSockets, rolls, reloads of a changed
// configuration, scaling, upgrades, hostile clients and callers. Each request is answered once or cut for a reason, none is executed twice, a worker
// has one at a time, and at the end nothing is left.
func TestChaos(t *testing.T) {
	lasting := chaosTime
	if text := os.Getenv("CHAOS"); text != "" {
		var err error
		if lasting, err = time.ParseDuration(text); err != nil {
			t.Fatalf("CHAOS is not a duration: %v", err)
		}
	}
	c := newChaos(t)
	calm := c.atRest()
	c.act(time.Second, c.misbehave())
	c.sockets()
	c.act(3*time.Second, c.strikeProcess)
	c.act(500*time.Millisecond, c.operate)
	c.act(9*time.Second, func(*rand.Rand) { c.count("upgrade", c.order("upgrade")) })
	c.act(200*time.Millisecond, c.abuseControl)
	c.act(100*time.Millisecond, c.abuseClients)
	<-time.After(lasting)
	close(c.end)
	over := time.Now()
	c.group.Wait()
	quiet := time.Since(over)
	c.settle()
	t.Logf("everybody had ended after %v; all was well after %v", quiet, time.Since(over))
	c.check(c.readNotes())
	if rest := c.atRest(); rest.goroutines > calm.goroutines+chaosMore || rest.descriptors > calm.descriptors+chaosMore || rest.threads > calm.threads+chaosMore {
		t.Errorf("at rest ripd has %+v, and had %+v before", rest, calm)
	} else {
		t.Logf("at rest ripd has %+v, and had %+v before", rest, calm)
	}
	c.leavesNothing()
}

func newChaos(t *testing.T) *chaos {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &chaos{t: t, notes: t.TempDir(), ledger: &ledger{saw: map[string]outcome{}}, end: make(chan struct{}), done: map[string]int{}}
	stream := uint64(0)
	c.random = func() *rand.Rand { stream++; return rand.New(rand.NewPCG(seed, stream)) }
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert := testkit.NewCertificate(t, dir, "shop", "shop.example")
	c.trust = cert.Client("shop.example")
	file := filepath.Join(dir, "chaos.toml")
	c.write = func(queue int) {
		text := fmt.Appendf(nil, chaosConfig, self, chaosNotes, c.notes, chaosWorkers, queue, cert.Cert, cert.Key)
		if err := os.WriteFile(file+".new", text, 0o600); err != nil {
			t.Error(err)
		} else if err := os.Rename(file+".new", file); err != nil {
			t.Error(err)
		}
	}
	c.write(chaosQueue)
	c.app = serve(t, file, "https:127.0.0.1:0")
	s, err := c.status()
	if err != nil || len(s.URLs) != 2 || !strings.HasPrefix(s.URLs[1], "https://") {
		t.Fatal(s.URLs, err)
	}
	c.secure = s.URLs[1]
	return c
}

// act does something over and over, about every pause, until the end.
func (c *chaos) act(pause time.Duration, what func(*rand.Rand)) {
	random := c.random()
	c.group.Go(func() {
		for {
			select {
			case <-c.end:
				return
			case <-time.After(pause/2 + time.Duration(random.Int64N(int64(pause)))):
				what(random)
			}
		}
	})
}

func (c *chaos) count(what string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !ok {
		what += " in vain"
	}
	c.done[what]++
}

// misbehave starts the clients, and returns what gives one of them a misdeed to ask
// a worker for.
func (c *chaos) misbehave() func(*rand.Rand) {
	misdeeds := make(chan string)
	for i := range chaosClients {
		one := &chaosClient{
			name: fmt.Sprintf("c%d", i), address: strings.TrimPrefix(c.url, "http://"),
			random: c.random(), ledger: c.ledger, misdeeds: misdeeds,
		}
		if i%3 == 2 {
			one.address, one.tls = strings.TrimPrefix(c.secure, "https://"), c.trust
		}
		c.group.Go(func() { one.run(c.end) })
	}
	return func(random *rand.Rand) {
		if random.IntN(3) > 0 {
			return
		}
		what := chaosMisdeeds[random.IntN(len(chaosMisdeeds))]
		select {
		case misdeeds <- what:
			c.count(what, true)
		case <-c.end:
		}
	}
}

// order has ripctl do something. That it may fail, beside everything else, is no
// fault; that it hangs is.
func (c *chaos) order(args ...string) bool {
	code, out, errOut := c.ctl(args...)
	if code < 0 || code == usageExit {
		c.ledger.fault("ripctl %v: exit code %d\n%s%s", args, code, out, errOut)
	}
	return code == 0
}

// strikeProcess sends a signal to a worker.
func (c *chaos) strikeProcess(random *rand.Rand) {
	list, err := ask[api.WorkerList](c.app, "workers")
	if err != nil || len(list.Workers) == 0 {
		return // ripctl met an upgrade
	}
	w := list.Workers[random.IntN(len(list.Workers))]
	signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTERM, syscall.SIGSEGV}[random.IntN(4)]
	if w.PID <= 0 || !c.isOurs(w.PID) {
		return
	}
	c.count(signal.String(), syscall.Kill(w.PID, signal) == nil)
	if signal == syscall.SIGSTOP && random.IntN(2) == 0 {
		<-time.After(time.Duration(random.IntN(1000)) * time.Millisecond)
		if c.isOurs(w.PID) {
			_ = syscall.Kill(w.PID, syscall.SIGCONT) // it may be gone
		}
	}
}

// isOurs reports whether the process is one of this run's workers.
func (c *chaos) isOurs(pid int) bool {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && strings.Contains(string(environ), chaosNotes+"="+c.notes)
}

func (c *chaos) operate(random *rand.Rand) {
	switch slot := strconv.Itoa(1 + random.IntN(chaosWorkers)); random.IntN(5) {
	case 0:
		c.count("restart", c.order("restart"))
	case 1:
		c.write(chaosQueue/2 + random.IntN(chaosQueue))
		c.count("reload", c.order("reload"))
	case 2:
		c.count("scale", c.order("scale", slot))
	case 3:
		c.count("drain", c.order("drain", slot))
	case 4:
		c.count("resume", c.order("resume", slot))
	}
}

// abuseControl calls the control socket as nobody should.
func (c *chaos) abuseControl(random *rand.Rand) {
	sockets, err := filepath.Glob(filepath.Join(c.runtimeDir(), "*ctl.sock"))
	if err != nil || len(sockets) == 0 {
		return // an upgrade is about to end
	}
	for range 1 + random.IntN(20) {
		conn, err := net.Dial("unix", sockets[random.IntN(len(sockets))])
		if err != nil {
			continue
		}
		defer conn.Close()
		register := fmt.Sprintf(`{"op":"%s","app":"chaos","workerId":%d,"pid":%d,"token":"%x"}`,
			[]string{"register", "deregister", "x"}[random.IntN(3)], random.IntN(6), os.Getpid(), random.Uint64())
		text := []string{
			"\x00\xff\r\n\r\n", "GET /v1/status HTTP/1.1\r\nHost: x\r\n", "POST /v1/scale HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
			fmt.Sprintf("POST /v1/worker HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(register), register),
			"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
		}[random.IntN(5)]
		_, _ = conn.Write([]byte(text)) // an error is ripd's word that it has enough
	}
	c.count("control calls", true)
}

// abuseClients has clients that nobody wants.
func (c *chaos) abuseClients(random *rand.Rand) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		c.ledger.fault("an abuser cannot connect: %v", err)
		return
	}
	text := []string{
		"", "GET / HT", "\x16\x03\x01\x02\x00\x01", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		strings.Repeat("G", 100_000),
	}[random.IntN(7)]
	_, _ = conn.Write([]byte(text))
	c.count("hostile clients", true)
	if random.IntN(2) == 0 {
		conn.Close()
		return
	}
	c.group.Go(func() { // it stays, until ripd or the end has enough
		defer conn.Close()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_ = conn.SetReadDeadline(time.Now().Add(startMost))
			for buf := make([]byte, 1024); ; {
				if _, err := conn.Read(buf); err != nil {
					return
				}
			}
		}()
		select {
		case <-gone:
		case <-c.end:
			conn.Close()
			<-gone
		}
	})
}

// rest is what a ripd that has nothing to do uses.
type rest struct{ goroutines, descriptors, threads int }

var goroutinesLine = regexp.MustCompile(`(?m)^go_goroutines\{[^}]*\} (\d+)`)

func (c *chaos) atRest() (now rest) {
	c.t.Helper()
	s, err := c.status()
	if err != nil {
		c.t.Fatal(err)
	}
	// Connections end some time after their last answer, and goroutines with them.
	testkit.Within(testkit.Timeout, func() bool {
		_, text, _ := c.ctl("metrics")
		if m := goroutinesLine.FindStringSubmatch(text); m != nil {
			now.goroutines, _ = strconv.Atoi(m[1]) // digits, says the expression
		}
		return strings.Contains(text, `state="active"} 0`) && strings.Contains(text, `state="idle"} 0`)
	})
	for what, n := range map[string]*int{"fd": &now.descriptors, "task": &now.threads} {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", s.PID, what))
		if err != nil {
			c.t.Fatal(err)
		}
		*n = len(entries)
	}
	if now.goroutines == 0 {
		c.t.Error("no go_goroutines among the metrics")
	}
	return now
}
