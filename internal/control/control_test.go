package control_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ripd/internal/api"
	"ripd/internal/control"
	"ripd/internal/control/controltest"
	"ripd/internal/testkit"
)

func TestMain(m *testing.M) {
	if call := os.Getenv(childCall); call != "" {
		os.Exit(child(call))
	}
	goleak.VerifyTestMain(m)
}

// serve serves an app on a new socket and gives the socket's path.
func serve(t testing.TB, a *controltest.App, o control.Options, how func(*control.Server, net.Listener) error) (*control.Server, string) {
	t.Helper()
	path := testkit.TempSocket(t, "ctl.sock")
	o.Operator, o.Registrar = a, a
	if o.Version == "" {
		o.Version = "1.2.3"
	}
	return controltest.Serve(t, path, o, how), path
}

func client(t testing.TB, path string) *api.Client {
	c := api.NewClient(path, "1.2.0")
	t.Cleanup(c.Close)
	return c
}

// raw sends bytes and gives all that comes back until the other end closes.
func raw(t testing.TB, path, request string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(testkit.Timeout))
	io.WriteString(c, request)
	c.(*net.UnixConn).CloseWrite()
	answer, _ := io.ReadAll(c) // a reset is an end like another
	return string(answer)
}

// call makes one call and gives its status, header and body.
func call(t testing.TB, path, method, target, body string, header ...string) (*http.Response, string) {
	t.Helper()
	var h strings.Builder
	for i := 0; i+1 < len(header); i += 2 {
		fmt.Fprintf(&h, "%s: %s\r\n", header[i], header[i+1])
	}
	if body != "" {
		fmt.Fprintf(&h, "Content-Length: %d\r\n", len(body))
	}
	answer := raw(t, path, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: ripd\r\nConnection: close\r\n%s\r\n%s", method, target, h.String(), body))
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		t.Fatalf("%s %s: %v: %q", method, target, err, answer)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp, string(b)
}

// errorOf reads the error in an answer's body.
func errorOf(t testing.TB, body string) *api.Error {
	t.Helper()
	var a api.ErrorAnswer
	if err := json.Unmarshal([]byte(body), &a); err != nil || a.Error == nil {
		t.Fatalf("not an error answer: %q", body)
	}
	return a.Error
}

func TestEveryCall(t *testing.T) {
	app := &controltest.App{
		StatusIs:   api.Status{App: "shop", Status: api.Healthy, Version: "1.2.3", Uptime: api.Millis(1500 * time.Millisecond)},
		WorkersAre: []api.Worker{{ID: 1, PID: 77, State: api.WorkerReady}},
		ConfigIs:   api.Config{App: "shop", Settings: []api.Setting{{Key: "queue.size", Value: "512", Origin: "default"}}},
	}
	_, path := serve(t, app, control.Options{Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") })},
		(*control.Server).ServeBoth)
	c, ctx := client(t, path), context.Background()
	if s, err := c.Status(ctx); err != nil || s.App != "shop" || s.Uptime != app.StatusIs.Uptime {
		t.Errorf("status: %+v, %v", s, err)
	}
	if w, err := c.Workers(ctx); err != nil || w.App != "shop" || len(w.Workers) != 1 || w.Workers[0].PID != 77 {
		t.Errorf("workers: %+v, %v", w, err)
	}
	if g, err := c.Config(ctx); err != nil || len(g.Settings) != 1 {
		t.Errorf("config: %+v, %v", g, err)
	}
	var metrics bytes.Buffer
	if err := c.Metrics(ctx, &metrics); err != nil || metrics.String() != "up 1\n" {
		t.Errorf("metrics: %q, %v", metrics.String(), err)
	}
	var steps []string
	note := func(s api.Step) { steps = append(steps, s.Message) }
	if v, err := c.Restart(ctx, note); err != nil || !v.OK || v.Kind != api.KindRestart {
		t.Errorf("restart: %+v, %v", v, err)
	}
	if v, err := c.Reload(ctx, note); err != nil || !v.OK || v.Kind != api.KindReload {
		t.Errorf("reload: %+v, %v", v, err)
	}
	if v, err := c.Scale(ctx, api.ScaleRequest{Workers: "+1"}, note); err != nil || v.Scale == nil || v.Scale.After != 3 {
		t.Errorf("scale: %+v, %v", v, err)
	}
	if len(steps) != 3 {
		t.Errorf("steps: %q", steps)
	}
	must := func(name string, err error) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	must("drain", c.Drain(ctx, api.DrainRequest{Worker: 2}))
	must("maintenance", c.Drain(ctx, api.DrainRequest{All: true, Page: true}))
	for _, r := range []api.DrainRequest{{Worker: 2, Page: true}, {Page: true}} {
		if err := c.Drain(ctx, r); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	if err := c.Resume(ctx, api.DrainRequest{All: true, Page: true}); err == nil {
		t.Error("a resume with a page was taken")
	}
	must("resume", c.Resume(ctx, api.DrainRequest{All: true}))
	must("register", c.Register(ctx, api.Register{App: "shop", WorkerID: 1, Token: "in-body"}))
	must("deregister", c.WithToken("in-header").Deregister(ctx, api.Deregister{App: "shop", WorkerID: 1}))
	if v, err := c.Stop(ctx, nil); err != nil || v.Kind != api.KindStop {
		t.Errorf("stop: %+v, %v", v, err)
	}
	want := "roll restart, roll reload, scale +1, drain 2, drain 0 with the page, resume 0, register shop 1, deregister shop 1, stop"
	if got := strings.Join(app.Calls(), ", "); got != want {
		t.Errorf("calls\n%s, want\n%s", got, want)
	}
	for i, token := range []string{"in-body", "in-header"} {
		if got, want := app.Peers()[i], (control.Peer{PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Token: token}); got != want {
			t.Errorf("peer %+v, want %+v", got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	_, path := serve(t, &controltest.App{}, control.Options{}, (*control.Server).ServeBoth)
	for _, c := range []struct {
		name, method, target, body string
		status                     int
		code                       api.Code
		message, hint              string
	}{
		{"no such path", "GET", "/v1/stat", "", 404, api.CodeNotFound, `there is no "/v1/stat"`, "did you mean /v1/status?"},
		{"nothing near", "GET", "/", "", 404, api.CodeNotFound, `there is no "/"`, "the calls are /v1/status"},
		{"path with dots", "GET", "/v1/../v1/status", "", 404, api.CodeNotFound, "there is no", ""},
		{"wrong method", "POST", "/v1/status", "{}", 405, api.CodeUsage, `/v1/status takes GET, not "POST"`, ""},
		{"wrong method 2", "GET", "/v1/restart", "", 405, api.CodeUsage, `/v1/restart takes POST`, ""},
		{"options", "OPTIONS", "*", "", 404, api.CodeNotFound, "there is no", ""},
		{"query", "GET", "/v1/status?app=shop", "", 400, api.CodeUsage, "takes no query", ""},
		{"body of a GET", "GET", "/v1/status", "{}", 400, api.CodeUsage, "takes no body", ""},
		{"no metrics", "GET", "/metrics", "", 404, api.CodeNotFound, "keeps no metrics", ""},
		{"not JSON", "POST", "/v1/scale", "workers=3", 400, api.CodeUsage, "must be a JSON object", ""},
		{"an array", "POST", "/v1/scale", "[]", 400, api.CodeUsage, "must be a JSON object", ""},
		{"cut off", "POST", "/v1/scale", `{"workers":"3"`, 400, api.CodeUsage, "not JSON", ""},
		{"two values", "POST", "/v1/scale", `{"workers":"3"}{}`, 400, api.CodeUsage, "something follows", ""},
		{"unknown field", "POST", "/v1/scale", `{"worker":"3"}`, 400, api.CodeUsage, `no field "worker"`, `did you mean "workers"?`},
		{"case matters", "POST", "/v1/scale", `{"Workers":"3"}`, 400, api.CodeUsage, `no field "Workers"`, `did you mean "workers"?`},
		{"twice", "POST", "/v1/scale", `{"workers":"3","workers":"4"}`, 400, api.CodeUsage, `"workers" is there twice`, ""},
		{"wrong type", "POST", "/v1/scale", `{"workers":3}`, 400, api.CodeUsage, `"workers" must be a string, not a number`, ""},
		{"no number", "POST", "/v1/scale", `{"workers":"three"}`, 400, api.CodeUsage, "not a number of workers", `"auto"`},
		{"huge number", "POST", "/v1/scale", `{"workers":"99999999999999999999"}`, 400, api.CodeUsage, "not a number", ""},
		{"empty scale", "POST", "/v1/scale", ``, 400, api.CodeUsage, "not a number", ""},
		{"field of a roll", "POST", "/v1/restart", `{"app":"shop"}`, 400, api.CodeUsage, `no field "app"`, ""},
		{"drain nothing", "POST", "/v1/drain", `{}`, 400, api.CodeUsage, "which worker?", ""},
		{"drain both", "POST", "/v1/drain", `{"workerId":1,"all":true}`, 400, api.CodeUsage, "not both", ""},
		{"drain -1", "POST", "/v1/drain", `{"workerId":-1}`, 400, api.CodeUsage, "which worker?", ""},
		{"quoted number", "POST", "/v1/drain", `{"workerId":"1"}`, 400, api.CodeUsage, "must be a whole number, not a string", "without quotes"},
		{"fraction", "POST", "/v1/drain", `{"workerId":1.5}`, 400, api.CodeUsage, "must be a whole number", ""},
		{"no op", "POST", "/v1/worker", `{"app":"shop"}`, 400, api.CodeUsage, `"op" is missing`, ""},
		{"wrong op", "POST", "/v1/worker", `{"op":"regsiter"}`, 400, api.CodeUsage, `there is no op "regsiter"`, `did you mean "register"?`},
		{"op of a wrong type", "POST", "/v1/worker", `{"op":1}`, 400, api.CodeUsage, `"op" must be a string`, ""},
		{"unknown field of a register", "POST", "/v1/worker", `{"op":"register","workerid":1}`, 400, api.CodeUsage, `no field "workerid"`, `"workerId"`},
		{"files of a deregister", "POST", "/v1/worker", `{"op":"deregister","files":[]}`, 400, api.CodeUsage, `no field "files"`, ""},
		{"relative file", "POST", "/v1/worker", `{"op":"register","files":["app.rb"]}`, 400, api.CodeUsage, "not an absolute path", ""},
		{"negative id", "POST", "/v1/worker", `{"op":"register","workerId":-1}`, 400, api.CodeUsage, "count from 1", ""},
		{"negative id 2", "POST", "/v1/worker", `{"op":"deregister","workerId":-1}`, 400, api.CodeUsage, "count from 1", ""},
		{"long text", "POST", "/v1/worker", `{"op":"register","app":"` + strings.Repeat("x", 5000) + `"}`, 400, api.CodeUsage, "longer than 4096 bytes", ""},
		{"too many files", "POST", "/v1/worker", `{"op":"register","files":["/` + strings.Repeat(`","/`, api.MaxFiles) + `"]}`, 400, api.CodeUsage, "more than", ""},
		{"deep", "POST", "/v1/scale", `{"workers":` + strings.Repeat("[", 200000) + `}`, 400, api.CodeUsage, "not JSON", ""},
		{"too long", "POST", "/v1/scale", `{"workers":"` + strings.Repeat("x", api.MaxRequestBytes) + `"}`, 413, api.CodeUsage, "longer than 1048576 bytes", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := call(t, path, c.method, c.target, c.body)
			e := errorOf(t, body)
			if resp.StatusCode != c.status || e.Code != c.code || !strings.Contains(e.Message, c.message) || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("%d %+v", resp.StatusCode, e)
			}
			if resp.Header.Get(api.HeaderVersion) != "1.2.3" || resp.Header.Get("Content-Type") != api.TypeJSON {
				t.Errorf("header: %v", resp.Header)
			}
			if c.status == 405 && resp.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
}

func TestErrorsOfTheOperator(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   api.Code
	}{
		{errors.New("out of processes"), 500, api.CodeFailed},
		{api.Errorf(api.CodeNotFound, "there is no worker 9"), 404, api.CodeNotFound},
		{fmt.Errorf("drain: %w", api.Errorf(api.CodeBusy, "a roll goes on")), 409, api.CodeBusy},
		{api.Errorf(api.CodeForbidden, "wrong token"), 403, api.CodeForbidden},
		{api.Errorf(api.CodeUsage, "no"), 400, api.CodeUsage},
	} {
		_, path := serve(t, &controltest.App{Err: c.err}, control.Options{}, (*control.Server).ServeBoth)
		for _, target := range []string{"/v1/drain", "/v1/resume"} {
			resp, body := call(t, path, "POST", target, `{"workerId":9}`)
			if e := errorOf(t, body); resp.StatusCode != c.status || e.Code != c.code {
				t.Errorf("%v: %d %+v", c.err, resp.StatusCode, e)
			}
		}
		resp, body := call(t, path, "POST", "/v1/worker", `{"op":"register","app":"shop","workerId":1}`)
		if e := errorOf(t, body); resp.StatusCode != c.status || e.Code != c.code {
			t.Errorf("register, %v: %d %+v", c.err, resp.StatusCode, e)
		}
	}
}

func TestDoors(t *testing.T) {
	server, operators := serve(t, &controltest.App{}, control.Options{}, (*control.Server).ServeOperators)
	workers := testkit.TempSocket(t, "w.sock")
	l, err := net.Listen("unix", workers)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeWorkers(l) }()
	t.Cleanup(func() { server.Close(); <-ended })

	register := `{"op":"register","app":"shop","workerId":1}`
	for _, c := range []struct {
		door, method, target, body string
		status                     int
	}{
		{operators, "GET", "/v1/status", "", 200},
		{operators, "POST", "/v1/worker", register, 404},
		{workers, "POST", "/v1/worker", register, 200},
		{workers, "GET", "/v1/status", "", 404},
		{workers, "GET", "/metrics", "", 404},
		{workers, "POST", "/v1/stop", "", 404},
		{workers, "POST", "/v1/restart", "", 404},
	} {
		resp, body := call(t, c.door, c.method, c.target, c.body)
		if resp.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.target, resp.StatusCode, c.status, body)
		}
	}
}

func TestVersions(t *testing.T) {
	app := &controltest.App{}
	_, path := serve(t, app, control.Options{Version: "1.2.3"}, (*control.Server).ServeBoth)
	for version, status := range map[string]int{"1.9.0": 200, "2.0.0": 412, "devel-0123": 200, "": 200} {
		header := []string{api.HeaderVersion, version}
		resp, body := call(t, path, "POST", "/v1/drain", `{"workerId":1}`, header...)
		if resp.StatusCode != status {
			t.Errorf("version %q: %d, want %d", version, resp.StatusCode, status)
		}
		if status == 412 {
			if e := errorOf(t, body); e.Code != api.CodeVersion || e.Hint == "" {
				t.Errorf("%+v", e)
			}
		}
		if resp, _ := call(t, path, "GET", "/v1/status", "", header...); resp.StatusCode != 200 {
			t.Errorf("version %q may not even look: %d", version, resp.StatusCode)
		}
		if resp, _ := call(t, path, "POST", "/v1/worker", `{"op":"register","app":"shop","workerId":1}`, header...); resp.StatusCode != 200 {
			t.Errorf("version %q: a worker was refused: %d", version, resp.StatusCode)
		}
	}
}

func TestPanicHurtsOneCall(t *testing.T) {
	var log bytes.Buffer
	app := &controltest.App{OnScale: func(context.Context, api.ScaleRequest, func(api.Step)) (api.Scale, error) { panic("oh") }}
	_, path := serve(t, app, control.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, (*control.Server).ServeBoth)
	resp, body := call(t, path, "POST", "/v1/scale", `{"workers":"3"}`)
	if e := errorOf(t, body); resp.StatusCode != 500 || e.Code != api.CodeFailed {
		t.Errorf("%d %+v", resp.StatusCode, e)
	}
	if resp, _ := call(t, path, "GET", "/v1/status", ""); resp.StatusCode != 200 {
		t.Errorf("status afterwards: %d", resp.StatusCode)
	}
	if !strings.Contains(log.String(), "panic=oh") {
		t.Errorf("log: %s", log.String())
	}
}

func TestTokenEqual(t *testing.T) {
	for _, c := range []struct {
		got, want string
		equal     bool
	}{{"a", "a", true}, {"a", "b", false}, {"a", "aa", false}, {"", "a", false}, {"", "", false}, {"a", "", false}} {
		if control.TokenEqual(c.got, c.want) != c.equal {
			t.Errorf("TokenEqual(%q, %q) = %v", c.got, c.want, !c.equal)
		}
	}
}
