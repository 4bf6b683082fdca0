package daemon

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/control"
	"ripd/internal/pool"
	"ripd/internal/testkit"
)

func TestReplaceSuccessorFirst(t *testing.T) {
	w := newWorld(t, testConfig(3))
	w.allReady()
	first, second := w.seat(w.last(1)), w.seat(w.last(2))
	first.event(pool.Event{Kind: pool.Exhausted})
	second.event(pool.Event{Kind: pool.Exhausted})
	w.pump()
	if len(w.alive()) != 4 || w.total() != 3 {
		t.Fatalf("%d alive, %d serve; want one successor and all serving", len(w.alive()), w.total())
	}
	w.makeReady(w.last(1))
	if w.total() != 3 || len(w.alive()) != 4 {
		t.Errorf("%d serve, %d alive; want worker 2's successor to start", w.total(), len(w.alive()))
	}
	w.makeReady(w.last(2))
	if w.total() != 3 || len(w.alive()) != 3 || w.s.find(1).due != "" || w.s.find(2).due != "" {
		t.Errorf("%d serve, %d alive", w.total(), len(w.alive()))
	}
}

func TestReplaceSuccessorFails(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	old := w.last(1)
	w.seat(old).event(pool.Event{Kind: pool.Exhausted})
	w.pump()
	w.crash(w.last(1))
	if old.over || w.total() != 1 {
		t.Fatal("the old worker is gone")
	}
	w.advance(2 * time.Second)
	if len(w.processes) != 3 {
		t.Fatalf("%d starts, want another try", len(w.processes))
	}
	w.makeReady(w.last(1))
	if !old.over || w.total() != 1 {
		t.Error("not replaced")
	}
}

func TestMaxAgeIsSpread(t *testing.T) {
	c := testConfig(4)
	c.Workers.MaxAge = time.Hour
	w := newWorld(t, c)
	w.allReady()
	w.advance(54 * time.Minute)
	if len(w.processes) != 4 {
		t.Fatalf("%d starts too early", len(w.processes))
	}
	moments := map[int64]bool{}
	for range 12 * 60 {
		before := len(w.processes)
		w.advance(time.Second)
		if len(w.processes) > before {
			moments[w.clock.Now().Unix()] = true
			w.allReady()
		}
	}
	if len(w.processes) != 8 || len(moments) < 3 {
		t.Errorf("%d starts at %d moments; want 8, spread", len(w.processes), len(moments))
	}
}

func TestMaxRequestsIsSpread(t *testing.T) {
	c := testConfig(8)
	c.Workers.MaxRequests = 1000
	w := newWorld(t, c)
	seen := map[int]bool{}
	for _, f := range w.seats {
		if f.spec.MaxRequests < 900 || f.spec.MaxRequests > 1100 {
			t.Errorf("max requests %d, want 900 to 1100", f.spec.MaxRequests)
		}
		seen[f.spec.MaxRequests] = true
	}
	if len(seen) < 4 {
		t.Errorf("only %d different", len(seen))
	}
}

func TestMaxMemory(t *testing.T) {
	c := testConfig(2)
	c.Workers.MaxMemory = 100 << 20
	w := newWorld(t, c)
	w.allReady()
	big := w.last(2)
	w.memory[w.last(1).pid], w.memory[big.pid] = 50<<20, 150<<20
	w.advance(measureEvery + time.Second)
	if len(w.processes) != 3 || big.over {
		t.Fatalf("%d starts, over %v; want the successor first", len(w.processes), big.over)
	}
	w.makeReady(w.last(2))
	if !big.over || w.total() != 2 {
		t.Error("the large worker was not replaced")
	}
}

func TestScale(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.allReady()
	scale := func(words string) (watch *watcher, sc api.Scale, err error) {
		w.do(func() { watch, sc, err = w.s.requestScale(words) })
		return watch, sc, err
	}
	watch, sc, err := scale("+2")
	if err != nil || sc.Before != 2 || sc.After != 4 {
		t.Fatalf("scale %+v, %v", sc, err)
	}
	w.noVerdict(watch)
	w.allReady()
	if v := w.verdict(watch); !v.OK || w.total() != 4 {
		t.Errorf("verdict %+v, %d serve", v, w.total())
	}
	last := w.last(4)
	w.seat(last).inFlight = 1
	watch, _, _ = scale("3")
	w.noVerdict(watch)
	if last.over {
		t.Error("worker 4 was ended in the middle of a request")
	}
	w.seat(last).finish()
	w.pump()
	if v := w.verdict(watch); !v.OK || w.total() != 3 || w.s.find(4) != nil {
		t.Errorf("verdict %+v, %d serve", v, w.total())
	}
	for _, words := range []string{"0", "-3", "many", "", "2000"} {
		var e *api.Error
		if _, _, err := scale(words); !errors.As(err, &e) || e.Code != api.CodeUsage {
			t.Errorf("scale %q: %v", words, err)
		}
	}
	watch, _, _ = scale("4")
	w.crash(w.last(4), "no memory")
	if v := w.verdict(watch); v.OK || !strings.Contains(v.Reason, "worker 4 does not start") {
		t.Errorf("verdict %+v", v)
	}
}

func TestScaleDownAndUpWhileItDrains(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.allReady()
	old := w.last(2)
	w.seat(old).inFlight = 1
	w.do(func() { _, _, _ = w.s.requestScale("1") })
	w.do(func() { _, _, _ = w.s.requestScale("2") })
	w.allReady()
	if w.total() != 2 || old.over {
		t.Errorf("%d serve, old over %v", w.total(), old.over)
	}
	w.seat(old).finish()
	w.pump()
	if !old.over || w.total() != 2 {
		t.Errorf("%d serve, old over %v", w.total(), old.over)
	}
}

// The maintenance page belongs to a drain of all, and ends with any resume.
func TestMaintenance(t *testing.T) {
	w := newWorld(t, testConfig(2))
	for _, step := range []struct {
		do   func() error
		want bool
	}{
		{func() error { return w.s.drain(1, true) }, false},
		{func() error { return w.s.drain(0, true) }, true},
		{func() error { return w.s.drain(2, false) }, true},
		{func() error { return w.s.drain(0, false) }, false},
		{func() error { return w.s.drain(0, true) }, true},
		{func() error { return w.s.resume(2) }, false},
	} {
		w.do(func() {
			if err := step.do(); err != nil {
				t.Error(err)
			}
		})
		if w.maintained != step.want || w.s.maintained != step.want {
			t.Errorf("the page: %v, want %v", w.maintained, step.want)
		}
	}
	w.do(func() { (&heir{handover: &handover{Maintained: true}}).adopt(w.s) })
	if !w.maintained {
		t.Error("an upgrade forgot it")
	}
}

func TestDrainAndResume(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.makeReady(w.last(1))
	w.do(func() {
		if err := w.s.drain(2, false); err != nil {
			t.Error(err)
		}
	})
	w.makeReady(w.last(2))
	if w.total() != 1 || w.s.find(2).current.phase != phaseDrained {
		t.Fatal("a worker that was drained while it started serves")
	}
	w.crash(w.last(2))
	w.advance(10 * time.Millisecond)
	w.makeReady(w.last(2))
	if w.total() != 1 {
		t.Fatal("the successor of a drained worker serves")
	}
	w.do(func() { _ = w.s.resume(2) })
	w.do(func() { _ = w.s.drain(1, false) })
	if w.total() != 1 || w.hopeless {
		t.Errorf("%d serve, hopeless %v", w.total(), w.hopeless)
	}
	w.do(func() { _ = w.s.resume(0) })
	if w.total() != 2 {
		t.Errorf("%d serve", w.total())
	}
	var e *api.Error
	w.do(func() {
		if err := w.s.drain(7, false); !errors.As(err, &e) || e.Code != api.CodeNotFound {
			t.Errorf("drain 7: %v", err)
		}
	})
}

func TestRegister(t *testing.T) {
	w := newWorld(t, testConfig(2))
	p := w.last(1)
	peer := control.Peer{PID: p.pid}
	cases := []struct {
		name string
		peer control.Peer
		r    api.Register
		code api.Code
	}{
		{"no token", peer, api.Register{WorkerID: 1}, api.CodeForbidden},
		{"wrong token", peer, api.Register{WorkerID: 1, Token: "x"}, api.CodeForbidden},
		{"token of another", peer, api.Register{WorkerID: 1, Token: w.last(2).l.Token}, api.CodeForbidden},
		{"another process", control.Peer{PID: 1}, api.Register{WorkerID: 1, Token: p.l.Token}, api.CodeForbidden},
		{"another app", peer, api.Register{App: "blog", WorkerID: 1, Token: p.l.Token}, api.CodeNotFound},
		{"relative socket", peer, api.Register{WorkerID: 1, Token: p.l.Token, Socket: "x.sock"}, api.CodeUsage},
		{"good", peer, api.Register{App: "shop", WorkerID: 1, Token: p.l.Token, Files: []string{"/srv/shop/app.rb"}}, ""},
		{"twice", control.Peer{PID: p.pid, Token: p.l.Token}, api.Register{}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var err error
			w.do(func() { err = w.s.register(c.peer, c.r) })
			var e *api.Error
			if errors.As(err, &e); c.code == "" && err != nil || c.code != "" && (e == nil || e.Code != c.code) {
				t.Errorf("%v, want %q", err, c.code)
			}
		})
	}
	if w.total() != 1 || len(w.files) != 1 {
		t.Errorf("%d serve, files %v", w.total(), w.files)
	}
	w.seat(p).inFlight = 1
	w.do(func() {
		if err := w.s.deregister(peer, api.Deregister{WorkerID: 1, Token: p.l.Token}); err != nil {
			t.Error(err)
		}
	})
	w.advance(10 * time.Millisecond)
	if p.over || w.last(1) == p {
		t.Error("a leaving worker ends after what runs, and has a successor at once")
	}
	w.seat(p).finish()
	w.pump()
	if !p.over {
		t.Error("it did not end")
	}
}

// A quick worker calls before the supervisor has heard that its process runs.
func TestRegisterBeforeTheProcessIsKnown(t *testing.T) {
	w := newWorld(t, testConfig(1))
	var early earlyCall
	w.onStart = func(p *fakeProcess) {
		err := w.s.register(control.Peer{PID: p.pid}, api.Register{WorkerID: 1, Token: p.l.Token})
		if !errors.As(err, &early) {
			t.Errorf("%v", err)
		}
	}
	w.crash(w.last(1))
	w.advance(10 * time.Millisecond)
	select {
	case <-early.started:
	default:
		t.Fatal("it is not told that the process is known now")
	}
	p := w.last(1)
	w.do(func() {
		if err := w.s.register(control.Peer{PID: p.pid}, api.Register{WorkerID: 1, Token: p.l.Token}); err != nil {
			t.Error(err)
		}
	})
	if w.total() != 1 {
		t.Errorf("%d serve", w.total())
	}
}

func TestReadyByNotifyAlone(t *testing.T) {
	c := testConfig(1)
	c.Workers.Ready = config.ReadyNotify
	w := newWorld(t, c)
	p := w.last(1)
	w.do(func() {
		if err := w.s.register(control.Peer{PID: p.pid}, api.Register{Token: p.l.Token}); err != nil {
			t.Error(err)
		}
	})
	if w.total() != 0 {
		t.Error("registering made it ready")
	}
}

func TestExternal(t *testing.T) {
	c := testConfig(1)
	c.Workers.External = true
	w := newWorld(t, c)
	w.allReady()
	path := testkit.TempSocket(t, "x.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer := control.Peer{PID: 77}
	join := func() (err error) {
		w.do(func() { err = w.s.register(peer, api.Register{WorkerID: 9, Socket: path}) })
		return err
	}
	if err := w.s.register(peer, api.Register{WorkerID: 9, Socket: "/nowhere"}); err == nil {
		t.Error("joined without a socket")
	}
	w.memory[77] = 1
	if err := join(); err != nil || w.total() != 2 {
		t.Fatalf("%v, %d serve", err, w.total())
	}
	if err := join(); err != nil || w.total() != 2 {
		t.Errorf("again: %v, %d serve", err, w.total())
	}
	w.do(func() { _ = w.s.drain(firstExternal, false) })
	w.do(func() { _ = w.s.resume(firstExternal) })
	w.do(func() {
		if err := w.s.deregister(peer, api.Deregister{WorkerID: 9}); err != nil {
			t.Error(err)
		}
	})
	if w.total() != 1 || len(w.s.externals) != 0 {
		t.Errorf("%d serve, %d external", w.total(), len(w.s.externals))
	}
	if err := join(); err != nil {
		t.Fatal(err)
	}
	delete(w.memory, 77)
	w.advance(2 * measureEvery)
	if w.total() != 1 {
		t.Error("an external worker that has ended is still there")
	}
	if err := join(); err != nil {
		t.Fatal(err)
	}
	w.seats[len(w.seats)-1].drop(pool.CauseConnect, "connection refused")
	w.pump()
	if len(w.s.externals) != 0 {
		t.Error("a dropped external worker is still there")
	}
	w.do(w.s.beginStop)
	if !w.s.finished() {
		t.Error("not finished")
	}
}
