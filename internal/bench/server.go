package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startMost = 20 * time.Second // until a server answers
	stopMost  = 10 * time.Second // between SIGTERM and SIGKILL
)

// demoWorkerArg makes ripd's binary the demo's worker (adapter.DemoArg; a
// program beside ripd does not link its packages).
const demoWorkerArg = "--demo-worker"

// server is one balancer under test with its workers.
type server struct {
	name, version string
	url           string             // what is measured
	base          string             // of the url, where there are several
	main          *exec.Cmd          // the balancer
	leftOut       func(pid int) bool // of its children, those that are workers
	workers       []*exec.Cmd        // those that the balancer does not start itself
}

// startServer starts the balancer called name, in the new folder dir, and its
// workers, and returns when it answers.
func startServer(ctx context.Context, name, dir string, opts options) (*server, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{name: name, leftOut: isWorker, url: fmt.Sprintf("http://127.0.0.1:%d/ping", port)}
	switch name {
	case "ripd", "ripd-log":
		err = s.startRipd(dir, port, opts)
	case "nginx", "haproxy":
		err = s.startPeer(dir, port, opts)
	default:
		err = errors.New("not a known server: ripd, ripd-log, nginx, haproxy")
	}
	if err == nil {
		err = s.waitFor(ctx)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%w%s", err, lastOutput(dir))
	}
	return s, nil
}

// ripdFile is ripd's configuration. Workers are not recycled, as the peers do
// not recycle theirs.
const ripdFile = `
command = [%q, %q, "$SOCKET_PATH"]
[listen]
http = ["127.0.0.1:%d"]
[workers]
count = %d
max_requests = 0
[log]
access = %q
`

func (s *server) startRipd(dir string, port int, opts options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	access := "off"
	if s.name == "ripd-log" {
		access = "json"
	}
	var args []string
	if opts.worker == "demo" {
		args = []string{"demo", fmt.Sprintf("w:%d", opts.workers), fmt.Sprintf("http:%d", port), "r:0"}
		if access == "off" {
			args = append(args, "--no-access-log")
		} else {
			args = append(args, "--json-logging")
		}
	} else {
		file := filepath.Join(dir, "ripd.toml")
		text := fmt.Sprintf(ripdFile, self, workerArg, port, opts.workers, access)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		args = []string{file}
	}
	// As under systemd. In the foreground the default looks for changed files before
	// each request, which no peer does.
	args = append(args, "--hot-reload=none")
	s.version = versionOf(opts.ripd, "--version")
	s.main = exec.Command(opts.ripd, args...)
	s.main.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	return startChild(s.main, dir)
}

func (s *server) startPeer(dir string, port int, opts options) error {
	sockets, err := s.startWorkers(dir, opts)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "server.conf")
	var text string
	if s.name == "nginx" {
		text = nginxFile(dir, port, sockets)
		s.version = versionOf("nginx", "-v")
		s.main = exec.Command("nginx", "-e", filepath.Join(dir, "error.log"), "-p", dir, "-c", file)
	} else {
		text = haproxyFile(port, sockets)
		s.version = versionOf("haproxy", "-v")
		s.main = exec.Command("haproxy", "-db", "-f", file)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	return startChild(s.main, dir)
}

// nginxFile is nginx's configuration for the workers' sockets.
func nginxFile(dir string, port int, sockets []string) string {
	var upstream strings.Builder
	for _, socket := range sockets {
		fmt.Fprintf(&upstream, "    server unix:%s;\n", socket)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n" // the sockets' folder is private
	}
	return fmt.Sprintf(user+`daemon off;
worker_processes 2;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  keepalive_requests 1000000000;
  upstream workers {
%[2]s    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:%[3]d backlog=4096;
    location / {
      proxy_pass http://workers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`, dir, upstream.String(), port)
}

// haproxyFile is HAProxy's configuration for the workers' sockets.
func haproxyFile(port int, sockets []string) string {
	var text strings.Builder
	fmt.Fprintf(&text, `global
  maxconn 4096
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 30s
  timeout queue 5s
  http-reuse always
listen bench
  bind 127.0.0.1:%d backlog 4096
  option forwardfor
`, port)
	for i, socket := range sockets {
		fmt.Fprintf(&text, "  server w%d unix@%s maxconn 1\n", i+1, socket)
	}
	return text.String()
}

// startWorkers starts workers for a peer, and returns their sockets.
func (s *server) startWorkers(dir string, opts options) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var sockets []string
	for i := range opts.workers {
		socket := filepath.Join(dir, fmt.Sprintf("w%d.sock", i+1))
		cmd := exec.Command(self, workerArg, socket)
		if opts.worker == "demo" {
			cmd = exec.Command(opts.ripd, demoWorkerArg)
			cmd.Env = append(os.Environ(), "SOCKET_PATH="+socket, "RIP_CONTROL=")
		}
		if err := startChild(cmd, dir); err != nil {
			return nil, err
		}
		s.workers = append(s.workers, cmd)
		sockets = append(sockets, socket)
	}
	return sockets, nil
}

// startChild starts cmd, so that it ends when this program ends. What it says
// goes to the folder's file "output".
func startChild(cmd *exec.Cmd, dir string) error {
	output, err := os.OpenFile(filepath.Join(dir, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return cmd.Start()
}

// lastOutput returns the end of what the folder's processes said.
func lastOutput(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "output"))
	if err != nil || len(data) == 0 {
		return ""
	}
	return "\n" + string(data[max(0, len(data)-2000):])
}

// waitFor waits until the server answers 200, a few times in a row so that each
// worker has a chance to be seen.
func (s *server) waitFor(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startMost)
	defer cancel()
	good, last := 0, errors.New("no answer")
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		switch {
		case err != nil:
			good, last = 0, err
		case answer.StatusCode != http.StatusOK:
			good, last = 0, errors.New(answer.Status)
		default:
			good++
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		if good == 20 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("not ready within %v: %w", startMost, last)
}

// stop ends the balancer, then the workers, each by its own process id.
func (s *server) stop() {
	for _, cmd := range append([]*exec.Cmd{s.main}, s.workers...) {
		if cmd == nil || cmd.Process == nil {
			continue
		}
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		kill := time.AfterFunc(stopMost, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // ended by a signal is what is wanted
		kill.Stop()
	}
}

// freePort returns a port of 127.0.0.1 that nobody uses now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// versionOf returns the first line that a program says of its version.
func versionOf(program, flag string) string {
	out, _ := exec.Command(program, flag).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
