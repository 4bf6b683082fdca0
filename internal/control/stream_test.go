package control_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/control"
	"ripd/internal/control/controltest"
	"ripd/internal/testkit"
)

func TestStepsComeAsTheyHappen(t *testing.T) {
	seen := make(chan string)
	app := &controltest.App{OnRoll: func(_ context.Context, kind string, step func(api.Step)) api.Verdict {
		for i := range 3 {
			step(api.Step{Index: i + 1, Of: 3, Message: fmt.Sprint("step ", i+1)})
			<-seen // the next step happens only after the watcher has seen this one
		}
		return api.Verdict{Verdict: api.VerdictRolledBack, Reason: "exit status 1", Output: []string{"boom"}}
	}}
	_, path := serve(t, app, control.Options{}, (*control.Server).ServeBoth)
	v, err := client(t, path).Restart(context.Background(), func(s api.Step) { seen <- s.Message })
	if err != nil || v.OK || v.Verdict != api.VerdictRolledBack || len(v.Output) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestCallerLeavesTheRollGoesOn(t *testing.T) {
	left, rolled := make(chan struct{}), make(chan struct{})
	app := &controltest.App{OnRoll: func(ctx context.Context, _ string, step func(api.Step)) api.Verdict {
		step(api.Step{Message: "first"})
		<-ctx.Done() // the watching ends
		close(left)
		for range 1000 { // the roll does not: it can still report, to nobody
			step(api.Step{Message: "more"})
		}
		close(rolled)
		return api.Verdict{OK: true, Verdict: api.VerdictDone}
	}}
	_, path := serve(t, app, control.Options{}, (*control.Server).ServeBoth)
	ctx, leave := context.WithCancel(context.Background())
	_, err := client(t, path).Restart(ctx, func(api.Step) { leave() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	testkit.Closed(t, testkit.Timeout, left)
	testkit.Closed(t, testkit.Timeout, rolled)
}

func TestSlowWatcherDoesNotHoldTheRoll(t *testing.T) {
	const steps = 20000
	rolled := make(chan struct{})
	app := &controltest.App{OnRoll: func(_ context.Context, _ string, step func(api.Step)) api.Verdict {
		for i := range steps {
			step(api.Step{Index: i + 1, Of: steps, Message: strings.Repeat("x", 1000)})
		}
		close(rolled)
		return api.Verdict{OK: true, Verdict: api.VerdictDone}
	}}
	_, path := serve(t, app, control.Options{}, (*control.Server).ServeBoth)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /v1/restart HTTP/1.1\r\nHost: ripd\r\nConnection: close\r\n\r\n")
	testkit.Closed(t, testkit.Timeout, rolled) // although nothing was read

	var last string
	lost := false
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "{") {
			last = lines.Text()
			lost = lost || strings.Contains(last, "steps are not shown")
		}
	}
	var l api.Line
	if err := json.Unmarshal([]byte(last), &l); err != nil || l.Verdict == nil || !l.Verdict.OK || !lost {
		t.Errorf("last line %q, told of the loss: %v", last, lost)
	}
}

func TestScaleRefusedBeforeItsFirstStep(t *testing.T) {
	app := &controltest.App{OnScale: func(context.Context, api.ScaleRequest, func(api.Step)) (api.Scale, error) {
		return api.Scale{}, api.Errorf(api.CodeBusy, "ripd is stopping")
	}}
	_, path := serve(t, app, control.Options{}, (*control.Server).ServeBoth)
	var e *api.Error
	if _, err := client(t, path).Scale(context.Background(), api.ScaleRequest{Workers: "3"}, nil); !errors.As(err, &e) || e.Code != api.CodeBusy {
		t.Errorf("error: %v", err)
	}
}

func TestScaleFailsAfterAStep(t *testing.T) {
	app := &controltest.App{OnScale: func(_ context.Context, _ api.ScaleRequest, step func(api.Step)) (api.Scale, error) {
		step(api.Step{Message: "worker 3: started"})
		return api.Scale{}, errors.New("worker 3 did not become ready")
	}}
	_, path := serve(t, app, control.Options{}, (*control.Server).ServeBoth)
	v, err := client(t, path).Scale(context.Background(), api.ScaleRequest{Workers: "3"}, nil)
	if err != nil || v.OK || v.Verdict != api.VerdictFailed || v.Reason != "worker 3 did not become ready" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestEventsAndHeartbeat(t *testing.T) {
	source := make(chan api.Event, 1)
	app := &controltest.App{OnEvents: func(context.Context) <-chan api.Event { return source }}
	_, path := serve(t, app, control.Options{Heartbeat: time.Millisecond}, (*control.Server).ServeBoth)
	beats, ready := 0, 0
	err := client(t, path).Events(context.Background(), func(e api.Event) error {
		switch e.Kind {
		case api.EventHeartbeat:
			if beats++; beats == 3 {
				source <- api.Event{Kind: api.EventReady, Worker: 1}
			}
		case api.EventReady:
			ready++
			close(source) // ripd stops
		}
		return nil
	})
	if err != nil || beats < 3 || ready != 1 {
		t.Errorf("%d heartbeats, %d events, %v", beats, ready, err)
	}
}

func TestCloseEndsEventsAndLetsVerdictsOut(t *testing.T) {
	stopping := make(chan struct{})
	app := &controltest.App{OnStop: func(context.Context, func(api.Step)) api.Verdict {
		<-stopping
		return api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: api.KindStop}
	}}
	server, path := serve(t, app, control.Options{}, (*control.Server).ServeBoth)
	c := client(t, path)
	events, verdict := make(chan error, 1), make(chan error, 1)
	go func() { events <- c.Events(context.Background(), func(api.Event) error { return nil }) }()
	go func() {
		v, err := c.Stop(context.Background(), nil)
		if err == nil && !v.OK {
			err = fmt.Errorf("verdict: %+v", v)
		}
		verdict <- err
	}()
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(app.Calls()) == 2 })
	closed := make(chan struct{})
	go func() { defer close(closed); server.Close() }()
	if err := testkit.Receive(t, testkit.Timeout, events); err != nil {
		t.Errorf("events ended with: %v", err)
	}
	close(stopping)
	if err := testkit.Receive(t, testkit.Timeout, verdict); err != nil {
		t.Errorf("stop ended with: %v", err)
	}
	testkit.Closed(t, testkit.Timeout, closed)
	if _, err := c.Status(context.Background()); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("after the close: %v", err)
	}
}
