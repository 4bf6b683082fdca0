package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// The tests' own binary is what servers start as workers and as Go's proxy.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case workerArg:
			fmt.Fprintln(os.Stderr, serveFast(os.Args[2]))
			os.Exit(1)
		case goProxyArg:
			fmt.Fprintln(os.Stderr, serveGoProxy(os.Args[2:]))
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// behindGo is Go's proxy with two workers.
func behindGo(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	certificate := filepath.Join(dir, "certificate.pem")
	if err := writeCertificate(certificate); err != nil {
		t.Fatal(err)
	}
	s, err := startServer(t.Context(), "goproxy", filepath.Join(dir, "goproxy"), "/ping", fronts["goproxy"], setup{workers: 2, certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func TestWorkersBehindAProxy(t *testing.T) {
	s := behindGo(t)
	large := strings.Repeat("x", 300<<10)
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/ping", "", "pong\n"},
		{"GET", bodyOf(0), "", ""},
		{"GET", bodyOf(len(large)), "", large},
		{"POST", "/ping", "small", "pong\n"},
		{"POST", "/ping", large, "pong\n"},
		{"POST", bodyOf(5), "small", "xxxxx"},
		{"GET", sleepPath + "1", "", "pong\n"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+s.plain+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || string(got) != c.want {
			t.Errorf("%s %s: %s, %d bytes, %v", c.method, c.path, answer.Status, len(got), err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestPacedLoad(t *testing.T) {
	s := behindGo(t)
	for _, p := range []paced{
		{addr: s.plain, path: "/ping", rate: 500, length: 200 * time.Millisecond},
		{addr: s.plain, path: "/ping", rate: 500, lead: 100 * time.Millisecond, length: 200 * time.Millisecond},
		{addr: s.plain, path: "/ping", clients: 3, length: 100 * time.Millisecond},
	} {
		var r pacedResult
		var err error
		// A machine that gave nobody processor time all the while says nothing of the load.
		testkit.Eventually(t, testkit.Timeout, func() bool {
			r, err = p.run(t.Context())
			return !errors.Is(err, errNoneInTime) || r.failed > 0 || len(r.refused) > 0
		}, "an answer in the time that counts: %+v", p)
		if err != nil || len(r.good) == 0 || r.failed > 0 || len(r.refused) > 0 {
			t.Errorf("%+v: %d good, %d refused, %d failed, %v", p, len(r.good), len(r.refused), r.failed, err)
		}
		if p.rate > 0 && r.sent != 100 {
			t.Errorf("%d requests were sent, not 100", r.sent)
		}
		if before := r.answers - len(r.good); p.lead == 0 && before > 0 {
			t.Errorf("%d answers before the time that counts", before)
		}
	}
	own, all, err := s.usage()
	if err != nil || own.cpu == 0 || own.memory == 0 || all.cpu <= own.cpu {
		t.Errorf("usage %+v of %+v, %v", own, all, err)
	}
	s.stop()
	if err := s.alive(); err == nil {
		t.Error("it is alive after its end")
	}
}

func TestPacedLoadCountsRefusals(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	n := 0
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		if n++; n > 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if n > 3 { // the client has the answers before this one
			enough()
		}
	})}
	go func() { _ = server.Serve(l); close(served) }()
	defer func() { server.Close(); <-served }()
	r, err := paced{addr: l.Addr().String(), path: "/", clients: 1, length: testkit.Timeout}.run(ctx)
	if !errors.Is(err, context.Canceled) || len(r.good) != 1 || len(r.refused) < 2 {
		t.Errorf("%d good, %d refused, %d failed, %v", len(r.good), len(r.refused), r.failed, err)
	}
}

// A server that does not start is told, and the others are measured.
func TestServerThatDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	kept, err := openStore(filepath.Join(dir, "kept.json"))
	if err != nil {
		t.Fatal(err)
	}
	g := group{name: "fast", title: "Fast", servers: []string{"broken", "ends"}, workers: 1,
		known: map[string]starter{
			"broken": func(*server, setup) error { return errors.New("no such program\nmore") },
			"ends":   func(s *server, _ setup) error { return s.run(exec.Command("true")) },
		},
		scenarios: []scenario{{name: "c1", title: "one connection", path: "/ping", load: one}},
	}
	o := options{turns: 1, seconds: 1, workers: 1, groups: []group{g}}
	if err := g.measure(t.Context(), dir, "", kept, o); err != nil {
		t.Fatal(err)
	}
	text := report(kept.of(o.groups), o)
	for _, want := range []string{"Not measured: broken: no such program.\n", "Not measured: ends: true has ended.\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if again, err := openStore(kept.file); err != nil || len(again.results) != 2 || again.has(g, g.scenarios[0], o) {
		t.Errorf("%+v, %v", again, err)
	}
}

// The configurations of this command are ones that the programs understand.
func TestPeersUnderstandTheirFiles(t *testing.T) {
	testkit.Need(t, "nginx", "haproxy")
	dir := t.TempDir()
	certificate := filepath.Join(dir, "certificate.pem")
	if err := writeCertificate(certificate); err != nil {
		t.Fatal(err)
	}
	s := &server{dir: dir, plain: "127.0.0.1:18080", secure: "127.0.0.1:18443"}
	sockets := []string{filepath.Join(dir, "w1.sock"), filepath.Join(dir, "w2.sock")}
	for name, c := range map[string]struct {
		text    string
		command []string
	}{
		"nginx":   {nginxFile(s, sockets, "zone workers 64k; least_conn;", "keepalive 64;", certificate), []string{"nginx", "-t", "-e", "stderr", "-p", dir, "-c"}},
		"haproxy": {haproxyFile(s, sockets, certificate), []string{"haproxy", "-c", "-f"}},
	} {
		file, err := s.write(name+".conf", c.text)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
		defer cancel()
		if out, err := exec.CommandContext(ctx, c.command[0], append(c.command[1:], file)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if text := caddyFile(s, sockets, certificate); !strings.Contains(text, "unix/"+sockets[1]) {
		t.Error(text)
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		scenarios, servers string
		want               string // groups with scenarios and servers; "" is an error
	}{
		{"c64,tls", "", "fast[c64 tls][ripd nginx haproxy caddy goproxy]"},
		{"c64", "ripd,ripd-b", "fast[c64][ripd ripd-b]"},
		{"ms1,node-c1", "ripd,ripd-node", "ms1[ms1-50 ms1-90 ms1-150][ripd] node[node-c1][ripd-node]"},
		{"c65", "", ""},
		{"c64", "apache", ""},
	} {
		got, err := choose(groups(), list(c.scenarios), list(c.servers))
		var text []string
		for _, g := range got {
			var names []string
			for _, s := range g.scenarios {
				names = append(names, s.name)
			}
			text = append(text, fmt.Sprintf("%s%v%v", g.name, names, g.servers))
		}
		if strings.Join(text, " ") != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s of %s: %v, %v", c.scenarios, c.servers, text, err)
		}
	}
	all, err := choose(groups(), nil, nil)
	if err != nil || len(all) != len(groups()) {
		t.Errorf("all: %d groups, %v", len(all), err)
	}
	for _, g := range groups() {
		for _, name := range g.servers {
			if g.known[name] == nil {
				t.Errorf("%s: nobody knows how to start %s", g.name, name)
			}
		}
	}
}

func TestParseWrk(t *testing.T) {
	const before = "Running 1s test @ http://127.0.0.1:1/\n  2 threads and 64 connections\n"
	got, err := parseWrk(before + "RESULT 48381 1000000 978 3360 7200 14060 10\n")
	ms := func(us int) time.Duration { return time.Duration(us) * time.Microsecond }
	if want := (wrkResult{48381, 48381, ms(978), ms(3360), ms(7200), ms(14060), 10}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "unable to connect", "RESULT 1 0 1 1 1 1 1", "RESULT 1 1 x"} {
		if _, err := parseWrk(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
	file, err := wrkCall{body: 5, close: true, dir: t.TempDir()}.script()
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(file)
	for _, want := range []string{"'POST'", "string.rep('x', 5)", "'close'", "%d %d"} {
		if err != nil || !bytes.Contains(script, []byte(want)) {
			t.Errorf("no %q in %s, %v", want, script, err)
		}
	}
}

func TestParseH2load(t *testing.T) {
	const log = "1764000000000001\t200\t900\n1764000000000002\t503\t100\n1764000000000003\t-1\t200\n1764000000000004\t204\t300\textra\n"
	got, err := parseH2load([]byte(log), 2*time.Second)
	us := time.Microsecond
	if want := (wrkResult{4, 2, 300 * us, 900 * us, 900 * us, 900 * us, 2}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"1 200\n", "1\tok\t3\n", "1\t200\tsoon\n"} {
		if _, err := parseH2load([]byte(bad), time.Second); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestParseLoad(t *testing.T) {
	if l, err := parseLoad("8x512"); err != nil || l.String() != "-t8 -c512" {
		t.Errorf("%v, %v", l, err)
	}
	for _, text := range []string{"", "8", "0x4", "8x4", "axb"} {
		if _, err := parseLoad(text); err == nil {
			t.Errorf("%q is no load", text)
		}
	}
	o, err := parseFlags([]string{"-loads", "2x64,8x512", "-servers", "ripd"})
	if err != nil || len(o.groups) != 1 || len(o.groups[0].scenarios) != 2 || !slices.Equal(o.groups[0].servers, []string{"ripd"}) {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestTreeLeavesWorkersOut(t *testing.T) {
	tree := table{map[int][]int{1: {2, 3}, 2: {4}, 3: {5}}}
	if got := tree.tree(1, func(pid int) bool { return pid == 3 }); !slices.Equal(got, []int{1, 2, 4}) {
		t.Errorf("got %v", got)
	}
	if got, err := parentOf([]byte("4711 (a (b) c) S 17 4711")); err != nil || got != 17 {
		t.Errorf("parent %d, %v", got, err)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S"} {
		if _, err := parentOf([]byte(bad)); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
	me := []int{os.Getpid()}
	if cpuOf(me) == 0 || memoryOf(me) == 0 {
		t.Errorf("this process has used %v and %d bytes", cpuOf(me), memoryOf(me))
	}
}
