package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
)

// goProxyArg makes this program the peer that Go's standard library gives:
// `bench proxy ADDRESS TLS-ADDRESS CERTIFICATE SOCKET...`.
const goProxyArg = "proxy"

// goProxyIdle is the number of idle connections to each worker.
const goProxyIdle = 64

// serveGoProxy is httputil.ReverseProxy with a Transport for each worker, taken in
// turn. Like nginx it has no queue, and gives a worker as many requests as come.
func serveGoProxy(args []string) error {
	if len(args) < 4 {
		return fmt.Errorf("%d arguments are too few", len(args))
	}
	plain, secure, certificate, sockets := args[0], args[1], args[2], args[3:]
	var buffers bufferPool
	var proxies []*httputil.ReverseProxy
	for _, socket := range sockets {
		proxies = append(proxies, &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Scheme, r.Out.URL.Host = "http", "worker"
				r.SetXForwarded()
			},
			Transport: &http.Transport{
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					var d net.Dialer
					return d.DialContext(ctx, "unix", socket)
				},
				MaxIdleConnsPerHost: goProxyIdle,
				DisableCompression:  true,
			},
			BufferPool: &buffers,
			ErrorLog:   log.New(io.Discard, "", 0),
		})
	}
	var next atomic.Uint64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxies[next.Add(1)%uint64(len(proxies))].ServeHTTP(w, r)
	})
	failed := make(chan error, 2)
	for _, addr := range []string{plain, secure} {
		server := &http.Server{Addr: addr, Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
		go func() {
			if addr == plain {
				failed <- server.ListenAndServe()
			} else {
				failed <- server.ListenAndServeTLS(certificate, certificate)
			}
		}()
	}
	return <-failed
}

// bufferPool lends the buffers that bodies are copied with.
type bufferPool struct{ pool sync.Pool }

// Get returns a buffer.
func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}

// Put takes it back.
func (p *bufferPool) Put(b []byte) { p.pool.Put(&b) }
