package e2e

import (
	"syscall"
	"testing"
)

// Restart after restart, under load from connections that are new and ones that
// are kept: each request is answered.
func TestRestartsLoseNothing(t *testing.T) {
	a := serve(t, "demo", "w:3")
	clients := startCrowd(a, 8)
	for range 5 {
		if code, out, errOut := a.ctl("restart"); code != 0 {
			t.Errorf("ripctl restart: exit code %d\n%s%s", code, out, errOut)
		}
	}
	clients.stop(t)
	ends(t, a)
}

// Up and down again, under load: each request is answered.
func TestScalingLosesNothing(t *testing.T) {
	a := serve(t, "demo", "w:2")
	clients := startCrowd(a, 8)
	for _, to := range []string{"4", "-1", "+2", "1", "2"} {
		if code, out, errOut := a.ctl("scale", to); code != 0 {
			t.Errorf("ripctl scale %s: exit code %d\n%s%s", to, code, out, errOut)
		}
	}
	clients.stop(t)
	ends(t, a)
}

// The stop answers what was accepted: until nobody listens any more, each client
// gets its answer.
func TestStopLosesNothing(t *testing.T) {
	for range 3 {
		a := serve(t, "demo", "w:2")
		clients := startCrowd(a, 8)
		if got := a.do("GET", "/sleep?ms=100", ""); got[:3] != "200" {
			t.Errorf("/sleep: %q", got)
		}
		if err := a.ripd.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := a.ripd.Wait(t, startMost); code != 0 {
			t.Errorf("ripd ended with %d", code)
		}
		clients.stop(t)
	}
}

// Of workers that are killed under load, only the requests in flight fail.
func TestKilledWorkersCostOnlyWhatTheyHad(t *testing.T) {
	a := serve(t, "demo", "w:3")
	clients := startCrowd(a, 8)
	const kills = 3
	for range kills {
		respawns(t, a)
	}
	close(clients.end)
	clients.group.Wait()
	good, bad := 0, 0
	for _, one := range clients.clients {
		good += one.good
		bad += len(one.bad)
		for _, what := range one.bad {
			if what != "502 502 Bad Gateway: the application broke off\n" {
				t.Errorf("failed with %q", what)
			}
		}
	}
	if good == 0 || bad > kills {
		t.Errorf("%d requests were answered and %d failed, for %d workers killed with one request each", good, bad, kills)
	}
	ends(t, a)
}
