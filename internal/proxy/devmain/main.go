package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"time"

	"ripd/internal/config"
	"ripd/internal/metrics"
	"ripd/internal/pool"
	"ripd/internal/proxy"
)

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	cfg := &config.Config{Name: "dev"}
	cfg.Queue.Size, cfg.Queue.Timeout = 1024, 5*time.Second
	cfg.Timeouts = config.Timeouts{Connect: time.Second, Read: 5 * time.Second, ClientHeader: 10 * time.Second, ClientBody: 60 * time.Second, ClientIdle: 60 * time.Second, ClientWrite: 60 * time.Second}
	cfg.Limits.Header, cfg.Limits.Body, cfg.Limits.Buffer, cfg.Limits.Connections, cfg.Limits.ResponseSpool = 32<<10, 100<<20, 64<<10, 16384, 1<<30
	cfg.Proxy.RequestBuffering = os.Getenv("UNBUF") == ""
	cfg.Proxy.StatusPath = "/status"
	s := proxy.New(proxy.Options{Config: cfg, Metrics: metrics.New(metrics.Options{}), Log: slog.Default()}, func(e pool.Event) { slog.Info("event", "kind", e.Kind, "cause", e.Cause, "detail", e.Detail) })
	for i := 1; i <= n; i++ {
		sock := fmt.Sprintf("/tmp/dev%d.sock", i)
		cmd := exec.Command("/work/dev/worker", sock)
		if len(os.Args) > 2 {
			sock = os.Args[2]
		} else {
			cmd.Start()
			defer cmd.Process.Kill()
			time.Sleep(100 * time.Millisecond)
		}
		w := s.Pool().Add(pool.WorkerSpec{ID: i, Generation: 1, Socket: sock, Slots: 1})
		s.Pool().Ready(w, "")
	}
	go http.ListenAndServe("127.0.0.1:6060", nil)
	l, err := net.Listen("tcp", "127.0.0.1:3999")
	if err != nil {
		panic(err)
	}
	go func() { fmt.Println(s.Serve(l)) }()
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	<-c
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Printf("%+v\n", s.Stop(ctx))
	fmt.Printf("%+v\n", s.Pool().Snapshot(s.Now()))
}
