package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// fronts are the balancers that are measured before this program's own workers.
var fronts = map[string]starter{
	"ripd":     func(s *server, o setup) error { return s.startRipd(o.ripd, "off", 1, o) },
	"ripd-c8":  func(s *server, o setup) error { return s.startRipd(o.ripd, "off", 8, o) },
	"ripd-log": func(s *server, o setup) error { return s.startRipd(o.ripd, "json", 1, o) },
	"ripd-inherit": func(s *server, o setup) error {
		return s.startRipd(o.ripd, "off", 1, o, "RIP_WORKERS_SCHEDULING=inherit")
	},
	"ripd-b":  func(s *server, o setup) error { return s.startRipd(o.ripdB, "off", 1, o) },
	"nginx":   (*server).startNginx,
	"haproxy": (*server).startHAProxy,
	"caddy":   (*server).startCaddy,
	"goproxy": (*server).startGoProxy,
}

// ripdFile is ripd's configuration. Workers are not recycled, as the peers do
// not recycle theirs. Changed files are not looked for, as under systemd.
const ripdFile = `
command = [%q, %q, "$SOCKET_PATH"]
[listen]
http = [%q]
https = [%q]
[tls]
certificate = %[6]q
key = %[6]q
[workers]
count = %[5]d
max_requests = 0
concurrency = %[8]d
[reload]
mode = "none"
[log]
access = %[7]q
`

// startRipd starts a ripd that gives each worker so many requests at a time. env is added
// to its environment.
func (s *server) startRipd(binary, access string, requests int, o setup, env ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	file, err := s.write("ripd.toml", fmt.Sprintf(ripdFile, self, workerArg, s.plain, s.secure, s.workers, o.certificate, access, requests))
	if err != nil {
		return err
	}
	return s.runRipd(binary, []string{file}, env)
}

// runRipd runs a ripd, whose children are workers. env is added to its environment.
func (s *server) runRipd(binary string, args, env []string) error {
	s.version = strings.TrimPrefix(s.version+", ripd "+versionOf(binary, "--version"), ", ")
	s.leftOut = func(int) bool { return true }
	cmd := exec.Command(binary, args...)
	cmd.Env = append(append(os.Environ(), env...), "XDG_RUNTIME_DIR="+s.dir)
	return s.run(cmd)
}

func (s *server) startNginx(o setup) error {
	sockets, err := s.fastWorkers()
	if err != nil {
		return err
	}
	balance := ""
	if o.slow {
		// What is best for it then: both processes know what each worker has.
		balance = "zone workers 64k; least_conn;"
	}
	return s.runNginx(sockets, balance, "keepalive 64; keepalive_requests 1000000000;", o.certificate)
}

// runNginx runs nginx before sockets.
func (s *server) runNginx(sockets []string, balance, keepAlive, certificate string) error {
	file, err := s.write("server.conf", nginxFile(s, sockets, balance, keepAlive, certificate))
	if err != nil {
		return err
	}
	s.version = "nginx " + versionOf("nginx", "-v")
	return s.run(exec.Command("nginx", "-e", filepath.Join(s.dir, "error.log"), "-p", s.dir, "-c", file))
}

// nginxUser lets nginx's processes into the servers' folders, which are private.
func nginxUser() string {
	if os.Geteuid() == 0 {
		return "user root;\n"
	}
	return ""
}

// nginxFile is nginx's configuration. certificate "" is without TLS, keepAlive ""
// without connections that stay open to the workers.
func nginxFile(s *server, sockets []string, balance, keepAlive, certificate string) string {
	var upstream strings.Builder
	for _, socket := range sockets {
		fmt.Fprintf(&upstream, "    server unix:%s max_fails=0;\n", socket)
	}
	secure := ""
	if certificate != "" {
		secure = fmt.Sprintf("listen %s ssl http2 backlog=4096; ssl_certificate %[2]s; ssl_certificate_key %[2]s; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:4m;", s.secure, certificate)
	}
	return fmt.Sprintf(nginxUser()+`daemon off;
worker_processes 2;
worker_rlimit_nofile 32768;
pid %[1]s/pid;
error_log %[1]s/error.log crit;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  keepalive_requests 1000000000;
  client_max_body_size 100m;
  upstream workers {
    %[4]s
%[2]s    %[5]s
  }
  server {
    listen %[3]s backlog=4096;
    %[6]s
    location / {
      proxy_pass http://workers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`, s.dir, upstream.String(), s.plain, balance, keepAlive, secure)
}

func (s *server) startHAProxy(o setup) error {
	sockets, err := s.fastWorkers()
	if err != nil {
		return err
	}
	file, err := s.write("server.conf", haproxyFile(s, sockets, o.certificate))
	if err != nil {
		return err
	}
	s.version = "HAProxy " + versionOf("haproxy", "-v")
	return s.run(exec.Command("haproxy", "-db", "-f", file))
}

func haproxyFile(s *server, sockets []string, certificate string) string {
	var text strings.Builder
	fmt.Fprintf(&text, `global
  maxconn 8192
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 30s
  timeout queue 5s
  http-reuse always
listen bench
  maxconn 8192
  bind %s backlog 4096
  bind %s backlog 4096 ssl crt %s ssl-min-ver TLSv1.2 alpn h2,http/1.1
  option forwardfor
`, s.plain, s.secure, certificate)
	for i, socket := range sockets {
		fmt.Fprintf(&text, "  server w%d unix@%s maxconn 1\n", i+1, socket)
	}
	return text.String()
}

func (s *server) startCaddy(o setup) error {
	if _, err := exec.LookPath("caddy"); err != nil {
		return err
	}
	sockets, err := s.fastWorkers()
	if err != nil {
		return err
	}
	file, err := s.write("Caddyfile", caddyFile(s, sockets, o.certificate))
	if err != nil {
		return err
	}
	s.version = "Caddy " + versionOf("caddy", "version")
	cmd := exec.Command("caddy", "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	return s.run(cmd)
}

// caddyFile is Caddy's configuration: each request to the worker that has the
// fewest, which is what fits best here.
func caddyFile(s *server, sockets []string, certificate string) string {
	var upstreams strings.Builder
	for _, socket := range sockets {
		fmt.Fprintf(&upstreams, " unix/%s", socket)
	}
	return fmt.Sprintf(`{
	admin off
	auto_https off
	log default {
		output discard
	}
}
(proxy) {
	reverse_proxy%[1]s {
		lb_policy least_conn
		transport http {
			keepalive_idle_conns_per_host 64
			compression off
		}
	}
}
http://%[2]s {
	import proxy
}
https://%[3]s {
	tls %[4]s %[4]s
	import proxy
}
`, upstreams.String(), s.plain, s.secure, certificate)
}

func (s *server) startGoProxy(o setup) error {
	sockets, err := s.fastWorkers()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.version = "Go " + strings.TrimPrefix(runtime.Version(), "go")
	return s.run(exec.Command(self, append([]string{goProxyArg, s.plain, s.secure, o.certificate}, sockets...)...))
}
