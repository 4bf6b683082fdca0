// Command go-worker is a worker of ripd that registers itself: an example of
// the worker protocol with nothing but the standard library.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	// 1. Listen, and answer.
	listener, err := net.Listen("unix", os.Getenv("SOCKET_PATH"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	// 2. Say so: from here on ripd sends requests.
	err = tell("register", message{"pid": os.Getpid(), "socket": os.Getenv("SOCKET_PATH"), "version": "1.0"})
	if err != nil {
		return err
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	// 3. Leave: no new requests, finish what runs, end.
	if err := tell("deregister", message{}); err != nil {
		log.Print(err)
	}
	return server.Shutdown(context.Background())
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "pong\n")
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		// Without this, net/http throws away what is unread at the first write.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			log.Print(err)
		}
		io.Copy(w, r.Body)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Go in worker %s of %s, request %s\n",
			os.Getenv("WORKER_ID"), os.Getenv("APP_NAME"), r.Header.Get("X-Request-Id"))
	})
	return mux
}

// message is one message of the worker protocol.
type message map[string]any

// tell sends a message to ripd's control socket.
func tell(op string, m message) error {
	id, err := strconv.Atoi(os.Getenv("WORKER_ID"))
	if err != nil {
		return fmt.Errorf("WORKER_ID: %w", err)
	}
	m["op"], m["app"], m["workerId"] = op, os.Getenv("APP_NAME"), id
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	client := &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", os.Getenv("RIP_CONTROL"))
			},
		},
	}
	request, err := http.NewRequest("POST", "http://ripd/v1/worker", bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Rip-Token", os.Getenv("RIP_TOKEN"))
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: ripd answered %s: %s", op, answer.Status, body)
	}
	return nil
}
