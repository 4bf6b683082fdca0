package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/testkit"
	"ripd/internal/worker"
)

// moldsOf makes a table of molds, and what starts a worker of an app that Python loads.
func moldsOf(t *testing.T, load string) (*molds, func(l launch) (*worker.Process, error)) {
	t.Helper()
	testkit.Need(t, "python3")
	programs, err := filepath.Abs("../adapter/programs/python")
	if err != nil {
		t.Fatal(err)
	}
	launcher, err := worker.NewLauncher(worker.LauncherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := newMolds(launcher, func(worker.Line) {}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		m.close()
		if err := launcher.Close(); err != nil {
			t.Error(err)
		}
	})
	program := fmt.Sprintf("import sys, time\nsys.path.insert(0, %q)\nimport ripd_mold\n%s\nripd_mold.serve()\ntime.sleep(1000)", programs, load)
	return m, func(l launch) (*worker.Process, error) {
		return m.fork(l, worker.Spec{ID: l.ID, Command: []string{"python3", "-B", "-c", program}, Dir: "/",
			Env: []string{"PATH=" + os.Getenv("PATH"), fmt.Sprintf("WORKER_ID=%d", l.ID), "RIP_TOKEN=secret"}})
	}
}

// anyRelease is one with nothing in it but a time-out.
func anyRelease(start time.Duration) *release {
	return &release{generation: 1, config: &config.Config{Workers: config.Workers{StartTimeout: start}}}
}

func TestMoldForAllOfARelease(t *testing.T) {
	m, start := moldsOf(t, "")
	one, two := anyRelease(testkit.Timeout), anyRelease(testkit.Timeout)
	var group sync.WaitGroup
	for id := 1; id <= 4; id++ {
		for _, r := range []*release{one, two} {
			group.Go(func() {
				if p, err := start(launch{ID: id, Release: r, Context: t.Context()}); err != nil || p == nil {
					t.Errorf("worker %d: %v", id, err)
				}
			})
		}
	}
	group.Wait()
	list := m.list()
	if len(list) != 2 || list[0].Forks != 4 || list[1].Forks != 4 || list[0].Memory <= 0 {
		t.Fatalf("%+v", list)
	}
	m.retain(two)
	if left := m.list(); len(left) != 1 {
		t.Errorf("%+v is left", left)
	}
	for range 5 { // whether its end was noticed or not
		pid := m.list()[0].PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if p, err := start(launch{ID: 5, Release: two, Context: t.Context()}); err != nil || p == nil {
			t.Fatalf("after the end of the mold: %v", err)
		}
		if list := m.list(); len(list) != 1 || list[0].PID == pid {
			t.Errorf("%+v, and %d was killed", list, pid)
		}
	}
}

func TestMoldThatNobodyWaitsFor(t *testing.T) {
	m, start := moldsOf(t, "print('loading', flush=True)\ntime.sleep(1000)")
	r := anyRelease(time.Hour)
	var group sync.WaitGroup
	ctx, giveUp := context.WithCancel(t.Context())
	for id := 1; id <= 2; id++ {
		group.Go(func() {
			if p, err := start(launch{ID: id, Release: r, Context: ctx}); p != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("worker %d: %v", id, err)
			}
		})
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(m.words(r)) == 1 }, "what it says")
	pid := m.list()[0].PID
	giveUp()
	group.Wait()
	testkit.Eventually(t, testkit.Timeout, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH }, "the end of the load")
	if len(m.list()) != 0 || m.words(r) != nil {
		t.Errorf("%+v is left", m.list())
	}
}

func TestMoldThatDoesNotLoad(t *testing.T) {
	for name, c := range map[string]struct {
		load  string
		start time.Duration
		how   string
	}{
		"ends":  {"sys.exit('no such price')", testkit.Timeout, "exit status 1"},
		"hangs": {"time.sleep(1000)", time.Second, "not within start_timeout (1.0 s)"},
	} {
		t.Run(name, func(t *testing.T) {
			m, start := moldsOf(t, c.load)
			for range 2 { // each start tries anew
				_, err := start(launch{ID: 1, Release: anyRelease(c.start), Context: t.Context()})
				var failed *loadFailed
				if !errors.As(err, &failed) || failed.how != c.how {
					t.Fatalf("%v", err)
				}
				if name == "ends" && (len(failed.words) != 1 || failed.words[0] != "no such price") {
					t.Errorf("it said %q", failed.words)
				}
			}
			if list := m.list(); len(list) != 0 {
				t.Errorf("%+v is left", list)
			}
		})
	}
}

func TestAppThatCannotBeForked(t *testing.T) {
	m, start := moldsOf(t, "import threading\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()")
	r := anyRelease(testkit.Timeout)
	for id := 1; id <= 3; id++ {
		if p, err := start(launch{ID: id, Release: r, Context: t.Context()}); p != nil || err != nil {
			t.Errorf("worker %d: %v", id, err)
		}
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(m.list()) == 0 }, "the end of what cannot be forked")
}

// A load that failed has the app's words, and the supervisor tells which release is
// still in use.
func TestMoldsInTheSupervisor(t *testing.T) {
	w := makeWorld(t, testConfig(1))
	var kept []int
	w.s.retain = func(r *release) { kept = append(kept, r.generation) }
	w.do(func() {})
	w.allReady()
	w.startError = &loadFailed{"exit status 1", []string{"no such price"}}
	if v := w.verdict(w.roll(api.KindRestart)); v.OK || len(v.Output) != 1 || v.Output[0] != "no such price" {
		t.Errorf("%+v", v)
	}
	w.startError = nil
	watch := w.roll(api.KindRestart)
	w.makeReady(w.last(1))
	if v := w.verdict(watch); !v.OK {
		t.Errorf("%+v", v)
	}
	if len(kept) != 2 || kept[0] != 1 || kept[1] != w.s.release.generation || kept[1] == 1 {
		t.Errorf("kept are generations %v, and %d serves", kept, w.s.release.generation)
	}
}
