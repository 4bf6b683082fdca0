// Command boxapp is the app of the tests in a box: a worker that answers, dies
// when told to, and tries what an app must not be able to do.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	// The files beside the program decide how it starts.
	if text, err := os.ReadFile("broken"); err == nil {
		fmt.Fprint(os.Stderr, string(text))
		os.Exit(3)
	}
	if text, err := os.ReadFile("slow"); err == nil {
		if d, err := time.ParseDuration(strings.TrimSpace(string(text))); err == nil {
			time.Sleep(d)
		}
	}
	listener, err := net.Listen("unix", os.Getenv("SOCKET_PATH"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := &http.Server{Handler: routes()}
	end, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { _ = server.Serve(listener) }()
	<-end.Done()
	_ = server.Shutdown(context.Background())
}

func routes() http.Handler {
	mux := http.NewServeMux()
	answer := func(path string, f func(r *http.Request) string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, f(r)) })
	}
	answer("/ping", func(*http.Request) string { return "pong" })
	answer("/app", func(*http.Request) string { return os.Getenv("APP_NAME") })
	answer("/pids", func(*http.Request) string { return fmt.Sprintln(os.Getpid(), os.Getppid()) })
	answer("/uid", func(*http.Request) string { return fmt.Sprint(os.Getuid(), " ", os.Getgid()) })
	answer("/crash", func(*http.Request) string { os.Exit(70); return "" })
	answer("/env", func(*http.Request) string { return strings.Join(os.Environ(), "\n") })
	answer("/descriptors", func(*http.Request) string { return descriptors() })
	answer("/say", func(r *http.Request) string {
		fill, _ := strconv.Atoi(r.URL.Query().Get("fill")) // 0: nothing more
		fmt.Fprintln(os.Stderr, r.URL.Query().Get("text")+strings.Repeat("x", fill))
		return fmt.Sprintf("pid=%d id=%s", os.Getpid(), r.Header.Get("X-Request-Id"))
	})
	answer("/write", func(r *http.Request) string {
		return fmt.Sprint(os.WriteFile(r.URL.Query().Get("path"), []byte("x"), 0o644))
	})
	answer("/group", func(*http.Request) string {
		text, err := os.ReadFile("/proc/self/cgroup")
		return fmt.Sprint(string(text), err)
	})
	// A child that leaves the session, its parent and its environment.
	answer("/daemon", func(*http.Request) string {
		daemon := exec.Command("/usr/bin/setsid", "--fork", "/bin/sleep", "987")
		daemon.Env = []string{}
		return fmt.Sprint(daemon.Run())
	})
	// Memory, each page of it written to.
	answer("/eat", func(r *http.Request) string {
		mb, err := strconv.Atoi(r.URL.Query().Get("mb"))
		eaten = make([]byte, mb<<20)
		for i := range eaten {
			eaten[i] = 1
		}
		return fmt.Sprint(len(eaten), err)
	})
	// A call on a control socket with this worker's token.
	answer("/call", func(r *http.Request) string {
		q := r.URL.Query()
		socket := q.Get("socket")
		if socket == "" {
			socket = os.Getenv("RIP_CONTROL")
		}
		return call(socket, q.Get("method"), q.Get("path"))
	})
	// A message to systemd as if this were ripd.
	answer("/notify", func(r *http.Request) string {
		c, err := net.Dial("unixgram", "/run/systemd/notify")
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		_, err = io.WriteString(c, r.URL.Query().Get("text"))
		return fmt.Sprint(err)
	})
	return mux
}

// eaten keeps what /eat has taken.
var eaten []byte

func call(socket, method, path string) string {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: ripd\r\nRip-Token: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", method, path, os.Getenv("RIP_TOKEN"))
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return fmt.Sprint(answer.StatusCode, " ", string(body))
}

// descriptors gives what this process has open that it did not open itself.
func descriptors() string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			all = append(all, e.Name()+" "+to)
		}
	}
	return strings.Join(all, "\n")
}
