package metrics

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds of a door. What asks for metrics does so some times a minute, from a few
// places.
const (
	// MaxScrapers is how many connections a door has at a time; further ones wait.
	MaxScrapers = 16
	// doorRead bounds a request, doorWrite its answer, and doorIdle the time until the
	// next one of a connection: longer than programs leave between two.
	doorRead  = 5 * time.Second
	doorWrite = 30 * time.Second
	doorIdle  = 2 * time.Minute
	// doorHead bounds a request's head, in bytes.
	doorHead = 16 << 10
	// doorGrace is how long answers may take that are being written when it closes.
	doorGrace = time.Second
)

// Door serves GET /metrics, and nothing else, on listeners of its own.
type Door struct{ server *http.Server }

// NewDoor returns a door to m. What goes wrong with single requests goes to log, as
// debug lines.
func NewDoor(m *Metrics, log *slog.Logger) *Door {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &Door{&http.Server{
		Handler: mux, ReadHeaderTimeout: doorRead, ReadTimeout: doorRead, WriteTimeout: doorWrite, IdleTimeout: doorIdle,
		MaxHeaderBytes: doorHead, Protocols: &protocols, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// Serve serves a listener, and closes it at the end. It blocks until Close, and then
// gives nil.
func (d *Door) Serve(l net.Listener) error {
	b := &bounded{Listener: l, places: make(chan struct{}, MaxScrapers), closed: make(chan struct{})}
	if err := d.server.Serve(b); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close closes the listeners, leaves answers a moment, and cuts the connections then.
// It may be called more than once.
func (d *Door) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), doorGrace)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		d.server.Close()
	}
}

// bounded is a listener whose connections have so many places.
type bounded struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept waits for a place first.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	return &placed{Conn: c, leave: sync.OnceFunc(func() { <-b.places })}, nil
}

// Close closes the listener, and wakes who waits for a place.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// placed is a connection with a place.
type placed struct {
	net.Conn
	leave func()
}

// Close closes the connection, and gives the place back.
func (p *placed) Close() error {
	defer p.leave()
	return p.Conn.Close()
}
