package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ripd/internal/testkit"
)

// understood is one request as a program understood it.
type understood struct {
	ID     string `json:"id"`
	Method string `json:"method"`
	Target string `json:"target"`
	Length int    `json:"length"`
	front  string // the mark of the server in front, if there is one
}

// peer is a program that takes requests, and notes those that it has whole.
type peer struct {
	name   string
	socket string
	notes  func(testing.TB) []understood
}

// recorder is an app behind everything: it notes what comes.
type recorder struct {
	mu   sync.Mutex
	seen []understood
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // a part of a request is none
	}
	r.mu.Lock()
	r.seen = append(r.seen, understood{
		ID: req.Header.Get("X-Request-Id"), Method: req.Method, Target: req.RequestURI, Length: len(body),
		front: strings.Join(req.Header.Values("X-Front"), "+"),
	})
	r.mu.Unlock()
	io.WriteString(w, "ok")
}

func (r *recorder) notes(testing.TB) []understood {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]understood(nil), r.seen...)
}

// startRecorder serves a recorder on a unix socket.
func startRecorder(t *testing.T, dir, name string) *peer {
	t.Helper()
	r := &recorder{}
	path := filepath.Join(dir, name)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var open atomic.Int64
	server := &http.Server{
		Handler: r, DisableGeneralOptionsHandler: true,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed:
				open.Add(-1)
			}
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-ended
		testkit.Eventually(t, testkit.Timeout, func() bool { return open.Load() == 0 }, "the recorder's connections end")
	})
	return &peer{"go", path, r.notes}
}

func startNode(t *testing.T, dir string) *peer {
	t.Helper()
	socket, notes := filepath.Join(dir, "node.sock"), filepath.Join(dir, "node.json")
	testkit.StartProgram(t, "node", "testdata/backend.mjs", socket, notes)
	awaitSocket(t, "unix", socket)
	return &peer{"node", socket, func(t testing.TB) (seen []understood) {
		data, err := os.ReadFile(notes)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			var u understood
			if err := json.Unmarshal([]byte(line), &u); err != nil {
				t.Fatal(err)
			}
			seen = append(seen, u)
		}
		return seen
	}}
}

// nginxConfig has three servers: a worker in front of app, a server in front of
// ripd, and one in front of app.
const nginxConfig = `
daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log;
events { worker_connections 1024; }
http {
	access_log off; client_max_body_size 0; client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 60s;
	client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
	proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
	proxy_set_header X-Front $request_id;
	upstream ripd { server %[2]s; keepalive 8; }
	upstream app { server unix:%[3]s; keepalive 8; }
	server { listen unix:%[1]s/nginx.sock; location / { proxy_pass http://app; } }
	server { listen 127.0.0.1:%[4]d; location / { proxy_pass http://ripd; } }
	server { listen 127.0.0.1:%[5]d; location / { proxy_pass http://app; } }
}
`

const haproxyConfig = `
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	timeout http-request 1s
frontend worker
	bind unix@%[1]s/haproxy.sock
	http-request set-header X-Front %%[uuid]
	default_backend app
frontend before_ripd
	bind 127.0.0.1:%[4]d
	http-request set-header X-Front %%[uuid]
	timeout client 1s
	default_backend ripd
frontend before_app
	bind 127.0.0.1:%[5]d
	http-request set-header X-Front %%[uuid]
	timeout client 1s
	default_backend app
backend ripd
	server ripd %[2]s
backend app
	server app unix@%[3]s
`

// proxyPeer is nginx or HAProxy with what it stands before.
type proxyPeer struct {
	peer
	beforeRipd, beforeApp string // addresses
}

func startPeer(t *testing.T, name, dir, ripd string, app *peer) *proxyPeer {
	t.Helper()
	one, two := freePort(t), freePort(t)
	config, text := filepath.Join(dir, name+".conf"), map[string]string{"nginx": nginxConfig, "haproxy": haproxyConfig}[name]
	if err := os.WriteFile(config, fmt.Appendf(nil, text, dir, ripd, app.socket, one, two), 0o600); err != nil {
		t.Fatal(err)
	}
	if name == "nginx" {
		testkit.StartProgram(t, "nginx", "-e", filepath.Join(dir, "nginx.log"), "-p", dir, "-c", config)
	} else {
		testkit.StartProgram(t, "haproxy", "-db", "-f", config)
	}
	p := &proxyPeer{
		peer{name, filepath.Join(dir, name+".sock"), app.notes}, fmt.Sprintf("127.0.0.1:%d", one), fmt.Sprintf("127.0.0.1:%d", two),
	}
	awaitSocket(t, "unix", p.socket)
	awaitSocket(t, "tcp", p.beforeRipd)
	awaitSocket(t, "tcp", p.beforeApp)
	return p
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func awaitSocket(t *testing.T, network, address string) {
	t.Helper()
	testkit.Eventually(t, testkit.Timeout, func() bool {
		c, err := net.Dial(network, address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, "%s accepts", address)
}
