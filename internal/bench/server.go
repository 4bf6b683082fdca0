package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const (
	startMost  = 20 * time.Second // until a server answers
	stopMost   = 10 * time.Second // between SIGTERM and SIGKILL
	answerMost = 5 * time.Second  // for one answer while it starts
	goodInRow  = 20               // answers that make a server started
)

// server is one balancer under test with its workers.
type server struct {
	name, version string
	dir           string
	plain, secure string // addresses; secure is "" where TLS is not measured
	workers       int

	main     *exec.Cmd                 // the balancer
	leftOut  func(pid int) bool        // of its children, those that are workers; nil: none
	backends []*exec.Cmd               // workers that the balancer does not start itself
	foreign  func(table) (own []int)   // where the balancer is not main: its processes; nil: it is
	whole    func(t table) (all []int) // then also: balancer and workers
	noShare  bool                      // it has no balancer whose cost could be told apart

	alone    time.Duration // p50 of a request that meets no other one, where the load is paced
	capacity float64       // requests/s when always busy, likewise
}

// options of a server's start.
type setup struct {
	workers     int
	certificate string // file with the certificate and its key
	ripd        string // path of its binary
	ripdB       string // of another one, to be measured beside it
	slow        bool   // the handlers take time
}

// b are the same with the other binary in ripd's place.
func (o setup) b() setup {
	o.ripd = o.ripdB
	return o
}

// starter starts a server: it sets version, main and what else differs.
type starter func(s *server, o setup) error

// startServer starts a balancer in the new folder dir, and its workers, and returns
// when it answers.
func startServer(ctx context.Context, name, dir, path string, start starter, o setup) (*server, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	s := &server{name: name, dir: dir, workers: o.workers}
	var err error
	if s.plain, err = freeAddress(); err != nil {
		return nil, err
	}
	if s.secure, err = freeAddress(); err != nil {
		return nil, err
	}
	if err = start(s, o); err == nil {
		err = s.waitFor(ctx, "http://"+s.plain+path)
	}
	if err == nil && s.secure != "" {
		err = s.waitFor(ctx, "https://"+s.secure+path)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%w%s", err, lastOutput(dir))
	}
	return s, nil
}

// together has all but ripd's workers in one session, that of this program. Else each
// program has one of its own, as systemd gives one to each service: Linux may share
// processor time between sessions, or services, first. It is set once, by a flag.
var together bool

// newGroup are the attributes of a child: a session, or at least a process group, and its
// end when this program ends.
func newGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: !together, Setpgid: together, Pdeathsig: syscall.SIGTERM}
}

// startChild starts cmd, so that it ends when this program ends. What it says
// goes to the folder's file "output".
func startChild(cmd *exec.Cmd, dir string) error {
	output, err := os.OpenFile(filepath.Join(dir, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	if cmd.Dir == "" {
		cmd.Dir = dir
	}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = newGroup()
	return cmd.Start()
}

// run starts the balancer.
func (s *server) run(cmd *exec.Cmd) error {
	s.main = cmd
	return startChild(cmd, s.dir)
}

// behind starts a worker.
func (s *server) behind(cmd *exec.Cmd) error {
	if err := startChild(cmd, s.dir); err != nil {
		return err
	}
	s.backends = append(s.backends, cmd)
	return nil
}

// fastWorkers starts workers of this program, and returns their sockets.
func (s *server) fastWorkers() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var sockets []string
	for i := range s.workers {
		socket := filepath.Join(s.dir, fmt.Sprintf("w%d.sock", i+1))
		if err := s.behind(exec.Command(self, workerArg, socket)); err != nil {
			return nil, err
		}
		sockets = append(sockets, socket)
	}
	for _, socket := range sockets {
		if err := appears(socket); err != nil {
			return nil, err
		}
	}
	return sockets, nil
}

// appears waits for a socket that a worker makes.
func appears(socket string) error {
	for end := time.Now().Add(startMost); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no worker made %s within %v", socket, startMost)
}

// write writes a file into the server's folder, and returns its path.
func (s *server) write(name, text string) (string, error) {
	file := filepath.Join(s.dir, name)
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// lastOutput returns the end of what the folder's processes said.
func lastOutput(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "output"))
	if err != nil || len(data) == 0 {
		return ""
	}
	return "\n" + string(data[max(0, len(data)-2000):])
}

// starting is the client that asks whether a server is there. Each request has a
// connection of its own, so that each process of a server has a chance to be seen.
var starting = &http.Client{
	Timeout: answerMost,
	Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the certificate was made a moment ago, on this machine
	},
}

// waitFor waits until the server answers 200, a few times in a row.
func (s *server) waitFor(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startMost)
	defer cancel()
	good, last := 0, errors.New("no answer")
	for ctx.Err() == nil {
		if err := s.alive(); err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := starting.Do(request)
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
		if good == goodInRow {
			return nil
		}
		if good == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return fmt.Errorf("not ready within %v: %w", startMost, last)
}

// usage sums what the balancer has used, and what it and its workers have.
func (s *server) usage() (own, all usage, err error) {
	t, err := processes()
	if err != nil {
		return own, all, err
	}
	var balancer, whole []int
	if s.foreign != nil {
		balancer, whole = s.foreign(t), s.whole(t)
	} else {
		balancer, whole = t.tree(s.main.Process.Pid, s.leftOut), t.tree(s.main.Process.Pid, nil)
	}
	for _, cmd := range s.backends {
		whole = append(whole, t.tree(cmd.Process.Pid, nil)...)
	}
	own = usage{cpuOf(balancer), memoryOf(balancer)}
	all = usage{cpuOf(whole), 0}
	return own, all, nil
}

// alive says why a server cannot be measured any more.
func (s *server) alive() error {
	for _, cmd := range append([]*exec.Cmd{s.main}, s.backends...) {
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid)); err != nil || strings.Contains(string(state), ") Z ") {
			return fmt.Errorf("%s has ended", filepath.Base(cmd.Path))
		}
	}
	return nil
}

// stop ends the balancer, then the workers, each by its own process id, and what
// they left behind.
func (s *server) stop() {
	for _, cmd := range append([]*exec.Cmd{s.main}, s.backends...) {
		if cmd == nil || cmd.Process == nil {
			continue
		}
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		kill := time.AfterFunc(stopMost, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // ended by a signal is what is wanted
		kill.Stop()
	}
}

// endAdopted ends processes that have become this program's children when their
// parents ended (Passenger's are daemons), each by its id. All children that this
// program started itself have ended by then.
func endAdopted() {
	for end := time.Now().Add(stopMost); ; time.Sleep(20 * time.Millisecond) {
		t, err := processes()
		if err != nil {
			return
		}
		left := t.children[os.Getpid()]
		if len(left) == 0 {
			return
		}
		signal := syscall.SIGTERM
		if time.Now().After(end) {
			signal = syscall.SIGKILL
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, signal) // it may have ended
			var status syscall.WaitStatus
			_, _ = syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		}
		if signal == syscall.SIGKILL {
			return
		}
	}
}

// freeAddress returns an address of 127.0.0.1 that nobody uses now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

var versionNumber = regexp.MustCompile(`\d+\.\d+[\w.+~-]*`)

// versionOf returns the version that a program says it has.
func versionOf(program string, args ...string) string {
	out, _ := exec.Command(program, args...).CombinedOutput() // it says nothing when it is not there
	line := firstLine(strings.TrimSpace(string(out)))
	if number := versionNumber.FindString(line); number != "" {
		return number
	}
	return strings.TrimPrefix(line, "ripd ")
}
