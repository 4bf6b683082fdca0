package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// preloading is the setting, behind those that stand at a file's top.
const preloading = "\n[workers]\npreload = true\n"

// preloaded copies an example, and has its app loaded once.
func preloaded(t *testing.T, example string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), example)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(testkit.Root(t), "docs/examples", example))); err != nil {
		t.Fatal(err)
	}
	addTo(t, filepath.Join(dir, "ripd.toml"), preloading)
	return dir
}

func addTo(t *testing.T, path, text string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(old, text...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// molds are the processes that have loaded the app, oldest first, as the log tells of them.
func (a *app) molds() []int {
	var pids []int
	for _, found := range regexp.MustCompile(`msg="app loaded, workers are forked from it" generation=\d+ pid=(\d+)`).FindAllStringSubmatch(a.ripd.Stdout.String(), -1) {
		pid, _ := strconv.Atoi(found[1])
		pids = append(pids, pid)
	}
	return pids
}

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// Apps are loaded once for each generation, and all else is as it is without.
func TestPreload(t *testing.T) {
	for _, c := range []struct{ example, says, file, broken string }{
		{"sinatra", "Sinatra", "config.ru", "\nraise 'no such price'\n"},
		{"flask", "Flask", "app.py", "\nraise ValueError('no such price')\n"},
		{"fastapi", "FastAPI", "main.py", "\nraise ValueError('no such price')\n"},
	} {
		t.Run(c.example, func(t *testing.T) {
			testkit.Need(t, "ruby", "/usr/bin/python3")
			dir := preloaded(t, c.example)
			a := serve(t, dir, "w:2", "--hot-reload=none")
			answers(t, a, c.example, c.says)
			for range 3 {
				restarts(t, a)
			}
			respawns(t, a)
			molds := a.molds()
			if len(molds) != 4 {
				t.Fatalf("the app was loaded %d times for 4 generations", len(molds))
			}
			for i, pid := range molds {
				if i < 3 {
					testkit.Eventually(t, testkit.Timeout, func() bool { return gone(pid) }, "the end of what the roll has replaced")
				}
			}
			if gone(molds[3]) {
				t.Error("the process that has loaded the app has ended")
			}
			if s, err := a.status(); err != nil || len(s.Preloaded) != 1 || s.Preloaded[0].PID != molds[3] || s.Preloaded[0].Forks != 3 || s.Preloaded[0].Memory <= 0 {
				t.Errorf("the status does not tell of it: %+v, %v", s.Preloaded, err)
			}
			for _, w := range a.workers(t) {
				if w.PID == molds[3] || w.Memory <= 0 {
					t.Errorf("worker %d: process %d, %d bytes", w.ID, w.PID, w.Memory)
				}
			}
			outlivesMold(t, a, molds[3])
			addTo(t, filepath.Join(dir, c.file), c.broken)
			code, out, errOut := a.ctl("restart")
			if code != 5 || !strings.Contains(out+errOut, "no such price") || !strings.Contains(out+errOut, "the app is not loaded: exit status 1") {
				t.Errorf("restart with broken code: exit code %d\n%s%s", code, out, errOut)
			}
			if got := a.do("GET", "/ping", ""); !isPong(got) {
				t.Errorf("/ping after it: %q", got)
			}
			ends(t, a)
			for _, pid := range a.molds() {
				if !gone(pid) {
					t.Errorf("process %d, which has loaded the app, has outlived ripd", pid)
				}
			}
		})
	}
}

// outlivesMold kills what has loaded the app: workers go on, and the next one is
// forked from an app that is loaded anew.
func outlivesMold(t *testing.T, a *app, mold int) {
	t.Helper()
	before := a.workers(t)
	if err := syscall.Kill(mold, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	a.ripd.Stdout.WaitFor(t, testkit.Timeout, "the process that has loaded the app has ended; the next start loads it again")
	clients := startCrowd(a, 4)
	code, out, errOut := a.ctl("scale", "3")
	clients.stop(t)
	if code != 0 {
		t.Errorf("scale: exit code %d\n%s%s", code, out, errOut)
	}
	after := a.workers(t)
	if len(after) != 3 || after[0].PID != before[0].PID || after[1].PID != before[1].PID {
		t.Errorf("before and after the end of what they were forked from: %+v, %+v", before, after)
	}
	if n := len(a.molds()); n != 5 {
		t.Errorf("the app was loaded %d times", n)
	}
}

// What does not load in time is ended, with all that is known of it, and replaces nothing.
func TestPreloadThatHangs(t *testing.T) {
	for example, hangs := range map[string][2]string{
		"sinatra": {"config.ru", "\nwarn 'waiting for the data base'\nsleep\n"},
		"flask":   {"app.py", "\nimport sys, time\nprint('waiting for the data base', file=sys.stderr)\ntime.sleep(1000)\n"},
	} {
		t.Run(example, func(t *testing.T) {
			testkit.Need(t, "ruby", "/usr/bin/python3")
			dir := preloaded(t, example)
			addTo(t, filepath.Join(dir, "ripd.toml"), "start_timeout = \"10s\"\n")
			a := serve(t, dir, "w:2", "--hot-reload=none")
			addTo(t, filepath.Join(dir, hangs[0]), hangs[1])
			clients := startCrowd(a, 4)
			code, out, errOut := a.ctl("restart")
			clients.stop(t)
			if code != 5 || !strings.Contains(out+errOut, "start_timeout (10.0 s)") || !strings.Contains(out+errOut, "waiting for the data base") {
				t.Errorf("restart with code that hangs: exit code %d\n%s%s", code, out, errOut)
			}
			testkit.Eventually(t, testkit.Timeout, func() bool {
				s, err := a.status()
				return err == nil && len(s.Preloaded) == 1 && s.Preloaded[0].Generation == 1
			}, "the end of what hangs")
			ends(t, a)
		})
	}
}

// Nothing is left when ripd is killed: neither workers, though they are no
// children that the kernel would end with it, nor what they were forked from.
func TestPreloadDiesWithRipd(t *testing.T) {
	for _, example := range []string{"sinatra", "flask"} {
		t.Run(example, func(t *testing.T) {
			testkit.Need(t, "ruby", "/usr/bin/python3")
			a := serve(t, preloaded(t, example), "w:2")
			left := a.molds()
			for _, w := range a.workers(t) {
				left = append(left, w.PID)
			}
			if err := a.ripd.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			a.ripd.Wait(t, testkit.Timeout)
			for _, pid := range left {
				testkit.Eventually(t, testkit.Timeout, func() bool { return gone(pid) }, "the end of process %d", pid)
			}
		})
	}
}

// A Python app that has started threads cannot be forked safely: each worker loads it.
func TestPreloadWithThreads(t *testing.T) {
	testkit.Need(t, "/usr/bin/python3")
	dir := preloaded(t, "flask")
	addTo(t, filepath.Join(dir, "app.py"), "\nimport threading, time\nthreading.Thread(target=time.sleep, args=(1000,), name='ticker', daemon=True).start()\n")
	a := serve(t, dir, "w:2")
	answers(t, a, "flask", "Flask")
	restarts(t, a)
	if n := strings.Count(a.ripd.Stdout.String(), `msg="the app cannot be forked, each worker loads it"`); n != 2 || len(a.molds()) != 0 {
		t.Errorf("it is said %d times for 2 generations", n)
	}
	ends(t, a)
}

// A change of a file starts processes that are forked from an app that is loaded anew.
func TestPreloadStaysFresh(t *testing.T) {
	testkit.Need(t, "ruby", "/usr/bin/python3")
	settings := debian + preloading
	t.Run(config.AdapterRack, func(t *testing.T) { freshIn(t, inProcesses, settings, rackSource) })
	t.Run(config.AdapterWSGI, func(t *testing.T) { freshIn(t, inProcesses, settings, wsgiSource) })
	t.Run(config.AdapterASGI, func(t *testing.T) { freshIn(t, inProcesses, settings, asgiSource) })
}
