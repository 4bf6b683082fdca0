package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/testkit"
)

func TestBusyPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	if port > 65000 {
		t.Skip("the kernel chose a port too near to the last one")
	}
	a := []config.Address{{Network: "tcp", Host: "127.0.0.1", Port: port}}
	who := fmt.Sprintf("(process %d)", os.Getpid())
	if _, _, err := openListeners("http", a, true); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d is in use by ", port)) || !strings.Contains(err.Error(), who) {
		t.Errorf("asked for: %v", err)
	}
	list, notes, err := openListeners("http", a, false)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(list)
	got := list[0].Addr().(*net.TCPAddr).Port
	if got <= port || len(notes) != 1 || !strings.Contains(notes[0], fmt.Sprintf("so it is port %d", got)) || !strings.Contains(notes[0], who) {
		t.Errorf("port %d instead of %d, notes %q", got, port, notes)
	}
}

func TestUnixListeners(t *testing.T) {
	dir := testkit.TempSocketDir(t)
	at := func(name string) []config.Address {
		return []config.Address{{Network: "unix", Path: filepath.Join(dir, name)}}
	}
	stale, err := net.Listen("unix", filepath.Join(dir, "stale"))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	busy, err := net.Listen("unix", filepath.Join(dir, "busy"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, problem string }{
		{"new", ""}, {"stale", ""}, {"busy", "in use by another program"}, {"file", "not a socket"}, {"no/such", "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, _, err := openListeners("http", at(c.name), true)
			closeAll(list)
			if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("error %v, want %q", err, c.problem)
			}
		})
	}
}

func TestURLs(t *testing.T) {
	for _, c := range []struct {
		host, url string
	}{{"127.0.0.1", "http://127.0.0.1:"}, {"", "http://localhost:"}} {
		l, err := net.Listen("tcp", c.host+":0")
		if err != nil {
			t.Fatal(err)
		}
		urls := urlsOf([]front{{name: "http", list: []net.Listener{l}}, {name: "https", secure: true}})
		l.Close()
		if want := c.url + fmt.Sprint(l.Addr().(*net.TCPAddr).Port); len(urls) != 1 || urls[0] != want {
			t.Errorf("urls %q, want %q", urls, want)
		}
	}
}

func TestLock(t *testing.T) {
	dir := testkit.TempSocketDir(t)
	first, err := takeLock(dir, "rip_main_shop", "shop")
	if err != nil {
		t.Fatal(err)
	}
	var e *api.Error
	if _, err := takeLock(dir, "rip_main_shop", "shop"); !errors.As(err, &e) || !strings.HasSuffix(e.Message, fmt.Sprintf(": process %d", os.Getpid())) {
		t.Errorf("error %v", err)
	}
	other, err := takeLock(dir, "rip_blue_shop", "shop")
	if err != nil {
		t.Fatal(err)
	}
	other.release()
	first.release()
	again, err := takeLock(dir, "rip_main_shop", "shop")
	if err != nil {
		t.Fatal(err)
	}
	again.release()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("files stay: %v", left)
	}
}

func TestRemoveStale(t *testing.T) {
	dir := testkit.TempSocketDir(t)
	names := map[string]bool{ // does it stay?
		"rip_main_shop.1.sock": false, "rip_main_shop.12-3.sock": false, "rip_main_shop.2.ntfy": false, "rip_main_shop.ctl.sock": false,
		"rip_main_shop.1.1.sock": true, "rip_main_shop.1.ctl.sock": true, // of an app called shop.1
		"rip_main_shopper.1.sock": true, "rip_blue_shop.1.sock": true,
	}
	for name := range names {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
	}
	if err := os.WriteFile(filepath.Join(dir, "rip_main_shop.3.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	names["rip_main_shop.3.sock"] = true // no socket: not ripd's
	if err := removeStale(dir, "rip_main_shop"); err != nil {
		t.Fatal(err)
	}
	for name, stays := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != stays {
			t.Errorf("%s: %v, want it to stay: %v", name, err, stays)
		}
	}
}

func TestBroker(t *testing.T) {
	b := newBroker()
	ctx, cancel := context.WithCancel(t.Context())
	events, gone := b.subscribe(t.Context()), b.subscribe(ctx)
	cancel()
	testkit.Closed(t, testkit.Timeout, gone)
	for n := range eventBuffer + 10 {
		b.publish(api.Event{Kind: api.EventRollStep, Message: fmt.Sprint(n)})
	}
	for range eventBuffer {
		<-events
	}
	b.publish(api.Event{Kind: api.EventReady})
	if e := <-events; e.Kind != api.EventLost || e.Lost != 10 {
		t.Errorf("event %+v, want 10 lost", e)
	}
	if e := <-events; e.Kind != api.EventReady {
		t.Errorf("event %+v", e)
	}
	b.close()
	testkit.Closed(t, testkit.Timeout, events)
	testkit.Closed(t, testkit.Timeout, b.subscribe(t.Context()))
}

func TestRate(t *testing.T) {
	var r rate
	if got := r.perSecond(); got != 0 {
		t.Errorf("%v before the first sample", got)
	}
	at := time.Unix(1000, 0)
	for n := range 20 {
		r.add(at.Add(time.Duration(n)*time.Second), uint64(100*n))
		if got := r.perSecond(); n > 0 && got != 100 {
			t.Errorf("%v after %d samples", got, n+1)
		}
	}
}

func TestGreeting(t *testing.T) {
	var out bytes.Buffer
	sink := journal.NewSink(journal.SinkOptions{Out: &out})
	c := testConfig(2)
	c.Name, c.Demo = "demo", true
	a := &app{
		config: c, look: journal.Look{Terminal: true}, urls: []string{"http://localhost:3080"}, controlPath: "/run/x.ctl.sock",
		notes: []string{"port 3080 is in use"}, journal: &journal.Journal{Sink: sink}, log: slog.New(slog.DiscardHandler),
	}
	a.greeting.hello(a)
	a.greeting.suggest(a)
	sink.Close()
	for _, part := range []string{
		"demo (ripd's own demo), 2 workers", "http://localhost:3080", "/run/x.ctl.sock", "port 3080 is in use",
		"curl http://localhost:3080/ping\n", "curl 'http://localhost:3080/sleep?ms=500'\n", "curl -d hello http://localhost:3080/echo\n",
		"curl -N http://localhost:3080/stream\n", "curl http://localhost:3080/crash\n", "ripctl restart demo\n", "Ctrl-C",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in:\n%s", part, out.String())
		}
	}
}

func TestReleaseCommand(t *testing.T) {
	c := &config.Config{App: "/srv/shop/current", Workdir: "/srv/shop/current", Command: []string{"/srv/shop/current/bin/serve", "-c", "/etc/x", "/srv/shop/currently"}}
	r := &release{config: c, dir: "/srv/shop/releases/42", app: "/srv/shop/releases/42"}
	want := "/srv/shop/releases/42/bin/serve -c /etc/x /srv/shop/currently"
	if got := strings.Join(r.command(), " "); got != want {
		t.Errorf("command %q, want %q", got, want)
	}
}

func TestOwnFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"serve.rb", "config.ru", "app.py", "ripd.toml"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &config.Config{App: dir, Workdir: dir, File: filepath.Join(dir, "ripd.toml"), Command: []string{"ruby", "serve.rb", "app:app", "-x", "missing.rb"}}
	r := &release{config: c, dir: dir, app: dir}
	var names []string
	for _, file := range r.ownFiles() {
		names = append(names, filepath.Base(file))
	}
	if got := strings.Join(names, " "); got != "ripd.toml serve.rb config.ru app.py" {
		t.Errorf("files %q", got)
	}
}

func TestShow(t *testing.T) {
	for d, want := range map[time.Duration]string{
		840 * time.Millisecond: "840 ms", 2500 * time.Millisecond: "2.5 s", 3 * time.Minute: "3m0s", 0: "0 ms",
	} {
		if got := show(d); got != want {
			t.Errorf("show(%v) = %q, want %q", d, got, want)
		}
	}
}
