package adapter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"ripd/internal/api"
)

// Bounds of speaking with the control socket.
const (
	registerTries = 5
	registerPause = 200 * time.Millisecond // between two tries
	enrollTimeout = 5 * time.Second        // of one call
)

// worker is what ripd says of a worker in its environment.
type worker struct {
	app        string // APP_NAME
	id         int    // WORKER_ID; 0 when it is not one of ripd's
	generation string // RIP_GENERATION
	socket     string // SOCKET_PATH
	control    string // RIP_CONTROL; "" registers nowhere
	token      string // RIP_TOKEN
	serial     bool   // RIP_SERIAL: requests are taken one after the other
}

// workerFrom reads the variables of the worker protocol; of a name that is
// there twice the last one counts, as for a new process.
func workerFrom(environ []string) worker {
	var w worker
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case "APP_NAME":
			w.app = value
		case "WORKER_ID":
			w.id, _ = strconv.Atoi(value)
		case "RIP_GENERATION":
			w.generation = value
		case "SOCKET_PATH":
			w.socket = value
		case "RIP_CONTROL":
			w.control = value
		case "RIP_TOKEN":
			w.token = value
		case serialVariable:
			w.serial = value == "1"
		}
	}
	return w
}

// client makes the client of the worker's door; it is used once and closed.
func (w worker) client() *api.Client {
	return api.NewClient(w.control, api.BuildVersion("")).WithToken(w.token)
}

// register tells ripd that the worker can answer. ripd may be busy with many
// workers at once, so it is tried a few times; a refusal is final.
func (w worker) register(ctx context.Context) error {
	if w.control == "" {
		return nil
	}
	client := w.client()
	defer client.Close()
	for try := 1; ; try++ {
		call, cancel := context.WithTimeout(ctx, enrollTimeout)
		err := client.Register(call, api.Register{
			App: w.app, WorkerID: w.id, PID: os.Getpid(), Socket: w.socket,
			Version: "demo " + api.BuildVersion(""),
		})
		cancel()
		if err == nil {
			return nil
		}
		var refused *api.Error
		if try == registerTries || errors.As(err, &refused) && refused.Code != api.CodeBusy {
			return fmt.Errorf("register on %s: %w", w.control, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(registerPause):
		}
	}
}

// deregister tells ripd that the worker leaves.
func (w worker) deregister() error {
	if w.control == "" {
		return nil
	}
	client := w.client()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), enrollTimeout)
	defer cancel()
	return client.Deregister(ctx, api.Deregister{App: w.app, WorkerID: w.id, PID: os.Getpid()})
}
