package units

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ripd/internal/testkit"
	"ripd/internal/units/unitstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T, s *unitstest.Systemd) *Bus {
	t.Helper()
	b, err := Connect(t.Context(), s.Environ)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestNames(t *testing.T) {
	for unit, want := range map[string]string{
		"ripd@shop.service": "shop", "ripd@my-shop.2.socket": "my-shop.2", "ripd-https@a.socket": "a", "ripd-metrics@a.socket": "a", "ripd-control@a.socket": "a",
		"ripd.slice": "", "ripd@.service": "", "xripd@a.service": "", "ripd@a.timer": "", "ripd@a/b.service": "",
	} {
		if got := AppOf(unit); got != want {
			t.Errorf("%s: %q", unit, got)
		}
	}
	if got := objectPath("ripd@my-shop.service"); got != "/org/freedesktop/systemd1/unit/ripd_40my_2dshop_2eservice" {
		t.Error(got)
	}
	if got := objectPath("1_a"); got != "/org/freedesktop/systemd1/unit/_31_5fa" {
		t.Error(got)
	}
}

func TestLook(t *testing.T) {
	s := unitstest.Start(t)
	at := time.UnixMicro(1_700_000_000_000_000)
	s.Set("ripd@shop.service", unitstest.Properties{"ActiveState": "active", "SubState": "running", "MainPID": uint32(7), "MemoryCurrent": uint64(5 << 20), "StatusText": "4 workers ready",
		"User": "ripd", "StateChangeTimestamp": uint64(at.UnixMicro()), "LogRateLimitIntervalUSec": uint64(30_000_000), "LogRateLimitBurst": uint32(20000), "Environment": []string{"A=1"}})
	s.Set("ripd@shop.socket", unitstest.Properties{"ActiveState": "active", "Backlog": uint32(4096), "Listen": []unitstest.Address{{Kind: "Stream", Address: "[::]:80"}, {Kind: "Stream", Address: "/run/x.sock"}}})
	s.Set("ripd-control@shop.socket", unitstest.Properties{"ActiveState": "active"})
	s.Set("ripd@blog.socket", unitstest.Properties{"ActiveState": "active", "StateChangeTimestamp": uint64(at.UnixMicro())})
	s.Set("ripd@blog.service", unitstest.Properties{"MemoryCurrent": ^uint64(0)})
	s.Set("ripd@broken.socket", unitstest.Properties{"ActiveState": "failed", "Result": "resources"})
	s.Set("ripd@dead.service", unitstest.Properties{"ActiveState": "failed", "Result": "exit-code"})
	s.Set("dbus.service", nil)
	b := connect(t, s)

	names, err := b.Names(t.Context())
	if want := []string{"blog", "broken", "dead", "shop"}; err != nil || !slices.Equal(names, want) {
		t.Fatal(names, err)
	}
	apps, err := b.Apps(t.Context(), append(names, "nowhere"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []State{Waiting, Failed, Failed, Running, Stopped} {
		if apps[i].State != want {
			t.Errorf("%s is %s, not %s", apps[i].Name, apps[i].State, want)
		}
	}
	shop := apps[3]
	if v := shop.Service; v.PID != 7 || v.Memory != 5<<20 || v.Status != "4 workers ready" || v.User != "ripd" || v.LogInterval != 30*time.Second || v.LogBurst != 20000 || !slices.Equal(v.Environment, []string{"A=1"}) {
		t.Errorf("%+v", v)
	}
	if len(shop.Sockets) != 2 || !slices.Equal(shop.Sockets[0].Listen, []string{"[::]:80", "/run/x.sock"}) || shop.Sockets[0].Backlog != 4096 || !shop.Sockets[1].Control() {
		t.Errorf("%+v", shop.Sockets)
	}
	if !shop.Since.Equal(at) || !apps[0].Since.Equal(at) || apps[0].Service.Memory != 0 {
		t.Errorf("%+v", apps[0])
	}
}

func TestStates(t *testing.T) {
	for active, want := range map[string]State{"active": Running, "reloading": Running, "activating": Starting, "deactivating": Stopping, "failed": Failed, "inactive": Stopped} {
		a := App{Service: Unit{Active: active}}
		if a.judge(); a.State != want {
			t.Errorf("%s: %s", active, a.State)
		}
	}
}

// Each app could have an https socket, since there is a template: those count that
// somebody has written of, and none is enabled.
func TestSecureSockets(t *testing.T) {
	s := unitstest.Start(t)
	for app, p := range map[string]unitstest.Properties{
		"none": {}, "asked": {"DropInPaths": []string{"/run/systemd/generator/ripd-https@asked.socket.d/00-ripd.conf"}},
		"open": {"ActiveState": "active"}, "enabled": {"UnitFileState": "enabled"},
	} {
		s.Set("ripd@"+app+".service", nil)
		s.Set("ripd@"+app+".socket", nil)
		s.Set("ripd-https@"+app+".socket", p)
	}
	b := connect(t, s)
	for app, want := range map[string]int{"none": 1, "asked": 2, "open": 2, "enabled": 2} {
		got, err := b.App(t.Context(), app)
		if err != nil || len(got.Sockets) != want {
			t.Errorf("%s: %+v, %v", app, got.Sockets, err)
		}
	}
	asked, err := b.App(t.Context(), "asked")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Enable(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Calls(), ", "); got != "EnableUnitFiles ripd@asked.service ripd@asked.socket false true, Reload" {
		t.Error(got)
	}
}

func TestJobs(t *testing.T) {
	s := unitstest.Start(t)
	for _, unit := range []string{"ripd@shop.service", "ripd@shop.socket", "ripd-control@shop.socket"} {
		s.Set(unit, nil)
	}
	b := connect(t, s)
	do := func(f func(App) error) error {
		t.Helper()
		app, err := b.App(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return f(app)
	}
	start := func(App) error { return b.Start(t.Context(), "shop") }
	stop := func(a App) error { return b.Stop(t.Context(), a) }
	for _, f := range []func(App) error{start, stop,
		func(a App) error { return b.Enable(t.Context(), a) }, func(a App) error { return b.Disable(t.Context(), a) },
	} {
		if err := do(f); err != nil {
			t.Error(err)
		}
	}
	want := "StartUnit ripd@shop.service, StopUnit ripd@shop.socket, StopUnit ripd-control@shop.socket, StopUnit ripd@shop.service, " +
		"EnableUnitFiles ripd@shop.service ripd@shop.socket ripd-control@shop.socket false true, Reload, " +
		"DisableUnitFiles ripd@shop.service ripd@shop.socket ripd-control@shop.socket false, Reload"
	if got := strings.Join(s.Calls(), ", "); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}

	s.Result("ripd@shop.service", "failed")
	var failed *JobError
	if err := do(start); !errors.As(err, &failed) || failed.Unit != "ripd@shop.service" || failed.Result != "failed" {
		t.Error(err)
	}
	s.Refuse("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
	if err := do(stop); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	s.Refuse("")
	if err := b.Stop(t.Context(), App{Name: "nowhere", Service: Unit{Name: Service("nowhere")}}); err != nil {
		t.Error("what does not run cannot be stopped: ", err)
	}
	if err := b.Start(t.Context(), "nowhere"); err == nil || errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

func TestBusThatIsNotThere(t *testing.T) {
	dir := testkit.TempSocketDir(t)
	if _, err := Connect(t.Context(), []string{"DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + dir + "/no"}); !errors.Is(err, ErrNoBus) {
		t.Error(err)
	}
	// One that takes the connection and says nothing.
	l, err := net.Listen("unix", filepath.Join(dir, "mute"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Connect(ctx, []string{"DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + dir + "/mute"}); !errors.Is(err, ErrNoBus) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
