package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// Clients come and go in all ways while workers are replaced, and nothing is left.
func TestTunnelsChurn(t *testing.T) {
	bothWays(t, func(o *proxy.Options) { o.Config.Workers.Upgrades, o.Config.Queue.Size = 100, 1000 }, func(t *testing.T, r *rig) {
		r.worker(echoSocket)
		r.worker(echoSocket)
		var clients sync.WaitGroup
		var echoed, closed atomic.Int64
		var rolled atomic.Bool
		for i := range 16 {
			clients.Go(func() {
				for n := 0; !rolled.Load(); n++ {
					churn(t, r, (i+n)%4, &echoed, &closed, &rolled)
				}
			})
		}
		for range 8 {
			w := r.worker(echoSocket)
			old := w.Spec().ID - 2
			r.mu.Lock()
			leaves := r.workers[old-1]
			r.mu.Unlock()
			before := echoed.Load() // some go through both workers first
			testkit.Eventually(t, testkit.Timeout, func() bool { return echoed.Load() > before+50 })
			if err := r.server.Pool().Retire(leaves); err != nil {
				t.Error(err)
			}
			testkit.Eventually(t, testkit.Timeout, func() bool { return slices.Contains(r.idle(), leaves) })
		}
		rolled.Store(true)
		clients.Wait()
		if echoed.Load() == 0 || closed.Load() == 0 {
			t.Error("nothing was echoed, or nothing closed")
		}
		testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Upgraded == 0 }, "all tunnels have ended")
		testkit.Eventually(t, testkit.Timeout, func() bool {
			return !slices.ContainsFunc(r.server.Pool().Snapshot(r.server.Now()).Workers, func(w pool.WorkerInfo) bool {
				return w.Upgraded != 0 || w.InFlight != 0
			})
		}, "no worker has one")
		t.Logf("%d echoes, %d closed by ripd", echoed.Load(), closed.Load())
	})
}

// churn is one client that opens a WebSocket, uses it a little and ends it in one of
// four ways. ripd may close it at any time.
func churn(t *testing.T, r *rig, way int, echoed, closed *atomic.Int64, rolled *atomic.Bool) {
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
	c = r.secure(c)
	if _, err := io.WriteString(c, upgradeHead); err != nil {
		t.Error(err)
		return
	}
	if way == 0 {
		return // without waiting for the answer
	}
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 {
		t.Errorf("%v %v", res, err)
		return
	}
	data := bytes.Repeat([]byte("d"), 1000*way)
	for n := 0; n < 5 || way == 3 && !rolled.Load(); n++ { // the third way: until ripd closes it
		_, err := c.Write(frame{fin: true, op: opBinary, masked: true, data: data}.append(nil))
		if err != nil {
			return // ripd has ended it, after a close frame that was not read
		}
		f, err := readFrame(br)
		switch {
		case err != nil:
			t.Errorf("no frame, and no close frame: %v", err)
			return
		case f.op == opClose && bytes.Equal(f.data, []byte{0x03, 0xe9}):
			closed.Add(1)
			return
		case !bytes.Equal(f.data, data):
			t.Errorf("%d bytes with opcode %d", len(f.data), f.op)
			return
		}
		echoed.Add(1)
	}
	switch way {
	case 1:
		_, _ = c.Write(frame{fin: true, op: opClose, masked: true}.append(nil))
		_, _ = io.Copy(io.Discard, br)
	case 2:
		if half, ok := c.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, br)
	}
}
