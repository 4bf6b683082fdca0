package box

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// The first connection starts an app of which nothing runs.
func (d *day) activation(t *testing.T) {
	d.Run("systemctl", "stop", "ripd@shop.socket", "ripd-control@shop.socket", "ripd@shop.service")
	d.Run("systemctl", "start", "ripd@shop.socket")
	if got := d.Property("ripd@shop", "ActiveState"); got != "inactive" {
		t.Fatalf("it is %s", got)
	}
	if got, err := d.Get(shop, "/ping"); err != nil || got != "200 pong" {
		t.Errorf("%q, %v", got, err)
	}
	if got := d.Property("ripd-control@shop.socket", "ActiveState"); got != "active" {
		t.Errorf("the control socket is %s", got)
	}
}

// systemd gives the sockets of several units in no order that one could rely on.
func (d *day) eitherOrder(t *testing.T) {
	for port, names := range map[string]string{"127.0.0.1:9001": "http:control", "127.0.0.1:9002": "control:http"} {
		socket := "/run/order-" + strings.TrimPrefix(port, "127.0.0.1:") + ".sock"
		listen := []string{"--listen=" + port, "--listen=" + socket}
		if strings.HasPrefix(names, "control") {
			listen[0], listen[1] = listen[1], listen[0]
		}
		unit := "order-" + strings.ReplaceAll(names, ":", "-")
		args := append([]string{"--unit=" + unit, "--property=RuntimeDirectory=" + unit, "systemd-socket-activate"}, listen...)
		args = append(args, "--fdname="+names, "--setenv=RUNTIME_DIRECTORY=/run/"+unit, "ripd", "--instance=shop", "--config=/etc/ripd/shop.toml")
		d.Run("systemd-run", args...)
		d.Answers(port, "/app", "200 shop")
		if out := d.Run("ripctl", "--socket="+socket, "status"); !strings.Contains(out, "shop") {
			t.Error(out)
		}
		d.Run("systemctl", "stop", unit)
	}
}

// systemctl reload is a roll, and ends with its verdict.
func (d *day) reload(t *testing.T) {
	before := d.pids()
	d.Run("systemctl", "reload", "ripd@shop")
	after := d.pids()
	if before == after {
		t.Error("the workers are the same as before")
	}
	d.Write("/srv/shop/broken", "the shop has no shelves\n", 0o644)
	if out, _ := d.Fail("systemctl", "reload", "ripd@shop"); !strings.Contains(out, "failed") {
		t.Errorf("%q", out)
	}
	if got := d.Journal("ripd@shop"); !strings.Contains(got, "the shop has no shelves") {
		t.Errorf("the app's words are not in the journal:\n%s", tail(got))
	}
	testkit.Eventually(t, testkit.Timeout, func() bool {
		got := d.Property("ripd@shop", "StatusText")
		return strings.Contains(got, "2 workers ready") && strings.Contains(got, "the last reload: rolled back") && strings.HasSuffix(got, "the shop has no shelves")
	}, "the verdict in the status line")
	if got := d.Property("ripd@shop", "ActiveState"); got != "active" {
		t.Errorf("it is %s", got)
	}
	d.Answers(shop, "/ping", "200 pong")
	d.mend()
	d.Run("systemctl", "reload", "ripd@shop")
	testkit.Eventually(t, testkit.Timeout, func() bool {
		return !strings.Contains(d.Property("ripd@shop", "StatusText"), "rolled back")
	}, "a status line without the old verdict")
}

func (d *day) mend() {
	d.t.Helper()
	if err := os.Remove(d.Path("/srv/shop/broken")); err != nil {
		d.t.Fatal(err)
	}
}

// pids gives the workers, and ripd, of the app shop.
func (d *day) pids() string {
	d.t.Helper()
	return d.Property("ripd@shop", "MainPID") + " " + strings.Join(d.Processes("./app"), " ")
}

// restarts is how often the app is restarted under load.
const restarts = 10

func (d *day) restart(t *testing.T) {
	load := d.Load(shop, "/ping", "200 pong", 8)
	for range restarts {
		before := load.Good()
		d.Run("systemctl", "restart", "ripd@shop")
		testkit.Eventually(t, testkit.Timeout, func() bool { return load.Good() > before+20 })
	}
	good, bad, longest := load.End()
	t.Logf("%d restarts: %d good answers, %d others, the longest after %v", restarts, good, len(bad), longest)
	if len(bad) > 0 {
		t.Errorf("in %d restarts %d answers were good, and not these: %q", restarts, good, bad)
	}
}

func (d *day) workerDies(t *testing.T) {
	if got, err := d.Get(shop, "/crash"); err != nil || !strings.HasPrefix(got, "502 ") {
		t.Errorf("%q, %v", got, err)
	}
	d.Answers(shop, "/ping", "200 pong")
	// A worker that still starts would end by itself when it finds what comes now.
	testkit.Eventually(t, testkit.Timeout, func() bool {
		out, _ := d.Try("ripctl", "status", "shop")
		return strings.Contains(out, "2 of 2 ready") && len(d.Processes("./app")) == 2
	}, "two workers")
	// All die, and none can start: ripd stays, and says why.
	d.Write("/srv/shop/broken", "no shelves at all\n", 0o644)
	d.Run("sh", "-c", "kill -KILL "+strings.Join(d.Processes("./app"), " "))
	testkit.Eventually(t, testkit.Timeout, func() bool {
		out, _ := d.Try("ripctl", "status", "shop")
		return strings.Contains(out, "no shelves at all")
	}, "the app's last words in ripctl status")
	if got := d.Property("ripd@shop", "ActiveState"); got != "active" {
		t.Errorf("it is %s", got)
	}
	d.mend()
	d.Answers(shop, "/ping", "200 pong")
}

// A ripd that cannot start is tried again and again. Its sockets stay open, and
// clients wait until the cause is gone.
func (d *day) crashLoop(t *testing.T) {
	d.Write("/etc/ripd/shop.toml", strings.Replace(shopFile, "count = 2", "count = 0", 1), 0o644)
	if out, _ := d.Fail("systemctl", "restart", "ripd@shop"); !strings.Contains(out, "ripd@shop") {
		t.Errorf("%q", out)
	}
	answer := make(chan string, 1)
	go func() {
		got, err := d.Get(shop, "/ping")
		if err != nil {
			got = err.Error()
		}
		answer <- got
	}()
	testkit.Eventually(t, testkit.Timeout, func() bool {
		n, err := strconv.Atoi(d.Property("ripd@shop", "NRestarts"))
		return err == nil && n > 5 // systemd's own limit is 5 in 10 seconds
	}, "six starts")
	if got := d.Property("ripd@shop", "Result"); got == "start-limit-hit" {
		t.Error("systemd gave up")
	}
	if got := d.Property("ripd@shop.socket", "ActiveState"); got != "active" {
		t.Errorf("the socket is %s", got)
	}
	if got := d.Journal("ripd@shop"); !strings.Contains(got, "workers.count: 0 is too little") {
		t.Errorf("the journal does not say why:\n%s", tail(got))
	}
	d.Write("/etc/ripd/shop.toml", shopFile, 0o644)
	if got := testkit.Receive(t, testkit.Timeout, answer); got != "200 pong" {
		t.Errorf("the client that waited got %q", got)
	}
	d.Run("systemctl", "daemon-reload")
	d.Answers(shop, "/ping", "200 pong")
}

// Killed under load, ripd loses what it had accepted and nothing else: clients
// that come later wait for the next one.
func (d *day) killed(t *testing.T) {
	const clients = 8
	load := d.Load(shop, "/ping", "200 pong", clients)
	testkit.Eventually(t, testkit.Timeout, func() bool { return load.Good() > 50 })
	d.Run("systemctl", "kill", "--signal=KILL", "ripd@shop")
	before := load.Good()
	testkit.Eventually(t, testkit.Timeout, func() bool { return load.Good() > before+50 }, "answers after the kill")
	good, bad, longest := load.End()
	t.Logf("killed: %d good answers, %d others, the longest after %v", good, len(bad), longest)
	if len(bad) > clients {
		t.Errorf("%d clients got %d bad answers: %q", clients, len(bad), bad)
	}
	for _, b := range bad {
		if strings.Contains(b, "refused") {
			t.Errorf("a connection was refused: %s", b)
		}
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(d.Processes("./app")) == 2 }, "two workers, and none of the old ones")
}

func (d *day) stopAndStart(t *testing.T) {
	d.Run("systemctl", "stop", "ripd@shop.socket", "ripd@shop")
	if got, err := d.Get(shop, "/ping"); err == nil {
		t.Errorf("it still answers: %q", got)
	}
	if got := d.Property("ripd-control@shop.socket", "ActiveState"); got != "inactive" {
		t.Errorf("the control socket is %s: a look at it would start the app", got)
	}
	if left := d.Processes("./app"); len(left) > 0 {
		t.Errorf("workers have outlived ripd: %s", left)
	}
	d.Run("systemctl", "start", "ripd@shop")
	d.Answers(shop, "/ping", "200 pong")
}
