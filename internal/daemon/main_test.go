package daemon

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ripd/internal/adapter"
	"ripd/internal/worker"
)

// testWorkerArg makes the test binary a worker, see runTestWorker.
const testWorkerArg = "test-worker"

func TestMain(m *testing.M) {
	switch {
	case worker.IsStub(os.Args):
		os.Exit(worker.RunStub(os.Args, os.Environ()))
	case adapter.IsDemo(os.Args):
		os.Exit(adapter.RunDemo(os.Args, os.Environ()))
	case len(os.Args) == 2 && os.Args[1] == testWorkerArg:
		os.Exit(runTestWorker())
	}
	goleak.VerifyTestMain(m)
}

// runTestWorker is an app whose code is the file "code" in its folder. Its first
// word decides: "serve" answers each request with what follows, "fail" writes what
// follows and exits, "sleep" never becomes ready.
func runTestWorker() int {
	code, err := os.ReadFile("code")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	verb, rest, _ := strings.Cut(strings.TrimSpace(string(code)), " ")
	switch verb {
	case "fail":
		fmt.Fprintln(os.Stderr, rest)
		return 3
	case "sleep":
		select {}
	}
	l, err := net.Listen("unix", os.Getenv("SOCKET_PATH"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server := &http.Server{Handler: testApp(rest)}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		os.Exit(0) // it is idle by then: ripd has drained it
	}()
	fmt.Println("serving", rest)
	err = server.Serve(l)
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// testAnswer is what the test worker tells of itself.
type testAnswer struct {
	Code, Dir, Color, Worker, Generation string
	PID                                  int
}

func testApp(code string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		dir, _ := os.Getwd()
		_ = json.NewEncoder(w).Encode(testAnswer{
			Code: code, Dir: dir, Color: os.Getenv("COLOR"), Worker: os.Getenv("WORKER_ID"),
			Generation: os.Getenv("RIP_GENERATION"), PID: os.Getpid(),
		})
	})
	mux.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("for"))
		<-time.After(d)
		fmt.Fprintln(w, "slept")
	})
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { select {} })
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) {
		fmt.Fprintln(os.Stderr, "panic: crash")
		os.Exit(7)
	})
	return mux
}
