package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The apps: the number in the path is how many milliseconds the handler sleeps.
const (
	askFor  = "/%d"
	rackApp = `run ->(env) { ms = env["PATH_INFO"].delete("/").to_i; sleep(ms / 1000.0) if ms > 0; [200, { "content-type" => "text/plain" }, ["pong\n"]] }` + "\n"
	nodeApp = `export default async (req, res) => {
  const ms = Number(req.url.slice(1));
  if (ms > 0) await new Promise((resume) => setTimeout(resume, ms));
  res.setHeader('Content-Type', 'text/plain');
  res.end('pong\n');
};
`
	bunApp = `export default {
  async fetch(request: Request) {
    const ms = Number(new URL(request.url).pathname.slice(1));
    if (ms > 0) await new Promise((resume) => setTimeout(resume, ms));
    return new Response('pong\n', { headers: { 'Content-Type': 'text/plain' } });
  },
};
`
)

// rubyApps serve the same Rack app, and nodeApps the same handler. Each has the
// same number of workers, of which each runs one request at a time; where there
// is a number (c:64), a worker has so many handlers at once in its event loop.
var (
	rubyApps = map[string]starter{
		"ripd-rack":        func(s *server, o setup) error { return s.startRipdApp("config.ru", rackApp, o) },
		"ripd-rack-b":      func(s *server, o setup) error { return s.startRipdApp("config.ru", rackApp, o.b()) },
		"ripd-rack-serial": func(s *server, o setup) error { return s.startRipdApp("config.ru", rackApp, o, "c:2", "serial") },
		"nginx-unicorn":    (*server).startUnicorn,
		"nginx-puma":       (*server).startNginxPuma,
		"puma":             (*server).startPumaAlone,
		"passenger":        (*server).startPassenger,
	}
	nodeApps = map[string]starter{
		"ripd-node":    func(s *server, o setup) error { return s.startRipdApp("index.mjs", nodeApp, o) },
		"ripd-node-64": func(s *server, o setup) error { return s.startRipdApp("index.mjs", nodeApp, o, "c:64") },
		"ripd-bun":     func(s *server, o setup) error { return s.startRipdApp("index.ts", bunApp, o) },
		"ripd-bun-64":  func(s *server, o setup) error { return s.startRipdApp("index.ts", bunApp, o, "c:64") },
		"node-cluster": (*server).startNodeCluster,
		"nginx-node":   (*server).startNginxNode,
	}
)

// startRipdApp runs ripd with an app that one of its adapters loads.
func (s *server) startRipdApp(file, text string, o setup, words ...string) error {
	s.secure = ""
	app, err := s.app(file, text)
	if err != nil {
		return err
	}
	args := []string{app, fmt.Sprintf("w:%d", s.workers), "http:" + s.plain, "r:0", "--no-access-log", "--hot-reload=none"}
	for _, word := range words {
		if word != "serial" {
			args = append(args, word)
		}
	}
	var env []string
	if len(words) > 1 {
		env = append(env, "RIP_WORKERS_SERIAL=true")
	}
	if strings.HasSuffix(file, ".ts") {
		bun, err := findBun()
		if err != nil {
			return err
		}
		s.version = "Bun " + versionOf(bun, "--version")
		env = append(env, "RIP_ADAPTER=bun", "PATH="+filepath.Dir(bun)+":"+os.Getenv("PATH"))
	}
	return s.runRipd(o.ripd, args, env)
}

// app writes an app into a folder of its own.
func (s *server) app(file, text string) (folder string, err error) {
	folder = filepath.Join(s.dir, "app")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", err
	}
	return folder, os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600)
}

// findBun looks for bun in $PATH, and where this repository's tests keep theirs.
func findBun() (string, error) {
	if path, err := exec.LookPath("bun"); err == nil {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	found, _ := filepath.Glob(filepath.Join(cache, "ripd-tests/npm-*/node_modules/@oven/bun-linux-*/bin/bun"))
	for _, bun := range found {
		if exec.Command(bun, "--version").Run() == nil {
			return bun, nil
		}
	}
	return "", errors.New("no bun in $PATH, and none that the tests have installed")
}

// ruby sets an app's environment.
func ruby(cmd *exec.Cmd, app string) *exec.Cmd {
	cmd.Dir = app
	cmd.Env = append(os.Environ(), "RACK_ENV=production", "APP_ENV=production")
	return cmd
}

const unicornFile = `worker_processes %d
listen %q, backlog: 4096
preload_app true
logger Logger.new(nil)
`

func (s *server) startUnicorn(setup) error {
	s.secure = ""
	app, err := s.app("config.ru", rackApp)
	if err != nil {
		return err
	}
	socket := filepath.Join(s.dir, "app.sock")
	file, err := s.write("unicorn.rb", "require 'logger'\n"+fmt.Sprintf(unicornFile, s.workers, socket))
	if err != nil {
		return err
	}
	if err := s.behind(ruby(exec.Command("unicorn", "-E", "none", "-c", file), app)); err != nil {
		return err
	}
	if err := appears(socket); err != nil {
		return err
	}
	// unicorn closes each connection after its answer.
	if err := s.runNginx([]string{socket}, "", "", ""); err != nil {
		return err
	}
	s.version += ", unicorn " + gemVersion("unicorn")
	return nil
}

const pumaFile = `workers %d
threads 1, 1
bind %q
environment 'production'
preload_app!
quiet
`

// puma returns the command of a Puma that listens at bind.
func (s *server) puma(bind string) (*exec.Cmd, error) {
	s.secure = ""
	app, err := s.app("config.ru", rackApp)
	if err != nil {
		return nil, err
	}
	file, err := s.write("puma.rb", fmt.Sprintf(pumaFile, s.workers, bind))
	if err != nil {
		return nil, err
	}
	return ruby(exec.Command("puma", "-C", file), app), nil
}

func (s *server) startNginxPuma(setup) error {
	socket := filepath.Join(s.dir, "app.sock")
	cmd, err := s.puma("unix://" + socket + "?backlog=4096")
	if err != nil {
		return err
	}
	if err := s.behind(cmd); err != nil {
		return err
	}
	if err := appears(socket); err != nil {
		return err
	}
	if err := s.runNginx([]string{socket}, "", "keepalive 64; keepalive_requests 1000000000;", ""); err != nil {
		return err
	}
	s.version += ", Puma " + gemVersion("puma")
	return nil
}

func (s *server) startPumaAlone(setup) error {
	cmd, err := s.puma("tcp://" + s.plain + "?backlog=4096")
	if err != nil {
		return err
	}
	s.version, s.noShare = "Puma "+gemVersion("puma"), true
	return s.run(cmd)
}

// passengerQueue is the length of its queue; ripd's is 512, and one more client
// for each worker is served.
const passengerQueue = 1024

// startPassenger runs Passenger's own server: Debian 12 has no module of it for
// nginx. Its processes are daemons, which this program adopts.
func (s *server) startPassenger(setup) error {
	s.secure = ""
	app, err := s.app("config.ru", rackApp)
	if err != nil {
		return err
	}
	host, port, _ := strings.Cut(s.plain, ":")
	number := fmt.Sprint(s.workers)
	cmd := ruby(exec.Command("passenger", "start", "--engine=builtin", "--address", host, "--port", port, "--environment", "production",
		"--max-pool-size", number, "--min-instances", number, "--max-request-queue-size", fmt.Sprint(passengerQueue),
		"--log-file", filepath.Join(s.dir, "log"), "--pid-file", filepath.Join(s.dir, "pid"), "--instance-registry-dir", s.dir, "--disable-turbocaching"), app)
	s.version = "Passenger " + versionOf("passenger", "--version")
	roots := func(t table) []int {
		var all []int
		for _, pid := range t.children[os.Getpid()] {
			if strings.HasPrefix(commandOf(pid), "Passenger watchdog") {
				all = append(all, pid)
			}
		}
		return all
	}
	trees := func(t table, leftOut func(int) bool) []int {
		var all []int
		for _, pid := range roots(t) {
			all = append(all, t.tree(pid, leftOut)...)
		}
		return all
	}
	s.foreign = func(t table) []int {
		return trees(t, func(pid int) bool { return strings.HasPrefix(commandOf(pid), "Passenger App") })
	}
	s.whole = func(t table) []int { return trees(t, nil) }
	return s.run(cmd)
}

// gemVersion returns the version of an installed gem.
func gemVersion(name string) string {
	return versionOf("ruby", "-rrubygems", "-e", fmt.Sprintf("puts Gem::Specification.find_by_name(%q).version", name))
}

// nodeServer serves the app beside it at a socket; nodeCluster at a port, with as
// many processes as its second argument says.
const (
	nodeServer = `import http from 'node:http';
import app from './index.mjs';
http.createServer(app).listen({ path: process.argv[2], backlog: 4096 });
`
	nodeCluster = `import cluster from 'node:cluster';
import http from 'node:http';
import app from './index.mjs';
if (cluster.isPrimary) {
  for (let n = Number(process.argv[3]); n > 0; n--) cluster.fork();
} else {
  http.createServer(app).listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 });
}
`
)

func (s *server) startNodeCluster(setup) error {
	s.secure = ""
	app, err := s.app("index.mjs", nodeApp)
	if err != nil {
		return err
	}
	file := filepath.Join(app, "cluster.mjs")
	if err := os.WriteFile(file, []byte(nodeCluster), 0o600); err != nil {
		return err
	}
	s.version = "Node.js " + versionOf("node", "--version")
	s.leftOut = func(int) bool { return true } // the primary accepts connections
	_, port, _ := strings.Cut(s.plain, ":")
	return s.run(exec.Command("node", file, port, fmt.Sprint(s.workers)))
}

func (s *server) startNginxNode(setup) error {
	s.secure = ""
	app, err := s.app("index.mjs", nodeApp)
	if err != nil {
		return err
	}
	file := filepath.Join(app, "server.mjs")
	if err := os.WriteFile(file, []byte(nodeServer), 0o600); err != nil {
		return err
	}
	var sockets []string
	for i := range s.workers {
		socket := filepath.Join(s.dir, fmt.Sprintf("w%d.sock", i+1))
		if err := s.behind(exec.Command("node", file, socket)); err != nil {
			return err
		}
		sockets = append(sockets, socket)
	}
	for _, socket := range sockets {
		if err := appears(socket); err != nil {
			return err
		}
	}
	if err := s.runNginx(sockets, "", "keepalive 64; keepalive_requests 1000000000;", ""); err != nil {
		return err
	}
	s.version += ", Node.js " + versionOf("node", "--version")
	return nil
}
