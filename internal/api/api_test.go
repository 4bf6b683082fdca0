package api

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMillis(t *testing.T) {
	for in, want := range map[time.Duration]string{
		0: "0", 1500 * time.Millisecond: "1500", 999 * time.Microsecond: "0", -2 * time.Second: "-2000",
	} {
		if b, err := json.Marshal(Millis(in)); err != nil || string(b) != want {
			t.Errorf("%v: %s, %v", in, b, err)
		}
	}
	for _, bad := range []string{`"5"`, `1.5`, `1e3`, `99999999999999999999`, `9223372036855`, `true`, `{}`} {
		var m Millis
		if err := json.Unmarshal([]byte(bad), &m); err == nil {
			t.Errorf("%s is read as %v", bad, m)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := Millis(time.Duration(rapid.Int64Range(-maxMillis, maxMillis).Draw(t, "ms")) * time.Millisecond)
		b, err := json.Marshal(m)
		var back Millis
		if err == nil {
			err = json.Unmarshal(b, &back)
		}
		if err != nil || back != m {
			t.Fatalf("%v becomes %s, then %v (%v)", m, b, back, err)
		}
	})
}

// TestNames holds the names in JSON: programs depend on them.
func TestNames(t *testing.T) {
	moment := time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		value any
		want  string
	}{
		{Register{Op: OpRegister, App: "shop", WorkerID: 2, PID: 7, Socket: "/s", Version: "1", Token: "t", Files: []string{"/f"}},
			`{"op":"register","app":"shop","workerId":2,"pid":7,"socket":"/s","version":"1","token":"t","files":["/f"]}`},
		{Deregister{Op: OpDeregister, App: "shop", WorkerID: 2}, `{"op":"deregister","app":"shop","workerId":2}`},
		{OK{OK: true}, `{"ok":true}`},
		{ScaleRequest{Workers: "+1"}, `{"workers":"+1"}`},
		{DrainRequest{Worker: 2}, `{"workerId":2}`},
		{DrainRequest{All: true}, `{"all":true}`},
		{Line{Step: &Step{Kind: StepReady, Index: 2, Of: 4, Worker: 2, InFlight: 1, Took: Millis(840 * time.Millisecond), Message: "m"}},
			`{"step":{"kind":"ready","index":2,"of":4,"workerId":2,"inFlight":1,"tookMs":840,"message":"m"}}`},
		{Line{Verdict: &Verdict{Verdict: VerdictRolledBack, Reason: "r", Output: []string{"o"}}},
			`{"verdict":{"ok":false,"verdict":"rolled_back","reason":"r","output":["o"]}}`},
		{Event{Time: moment, Kind: EventLost, Lost: 3}, `{"time":"2031-05-06T12:00:00Z","kind":"lost","lost":3}`},
		{ErrorAnswer{Error: Errorf(CodeUsage, "no %d", 1).WithHint("yes")}, `{"error":{"code":"usage","message":"no 1","hint":"yes"}}`},
		{Worker{ID: 1, State: WorkerReady, Memory: 5, LastRequest: moment},
			`{"workerId":1,"pid":0,"generation":0,"state":"ready","inFlight":0,"handled":0,"memoryBytes":5,"cpuMs":0,"ageMs":0,"lastRequest":"2031-05-06T12:00:00Z","restarts":0}`},
	} {
		b, err := json.Marshal(c.value)
		if err != nil || string(b) != c.want {
			t.Errorf("got  %s (%v)\nwant %s", b, err, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		word  string
		known string
		want  string
	}{
		{"sohp", "blog shop", "shop"}, {"SHOP", "blog shop", "shop"}, {"sh", "blog shop", "shop"}, {"warehouse", "blog shop", ""},
		{"stauts", "start status stop", "status"}, {"rstart", "restart resume", "restart"}, {"x", "y", ""}, {"", "shop", ""},
		{"workerid", "workerId app op", "workerId"}, {"shop", "", ""}, {strings.Repeat("x", 65), strings.Repeat("x", 64), ""},
	} {
		if got := Nearest(c.word, strings.Fields(c.known)); got != c.want {
			t.Errorf("Nearest(%q, %q) = %q, want %q", c.word, c.known, got, c.want)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		a, b string
		fit  bool
	}{
		{"1.2.3", "1.9.0", true}, {"1.2.3", "v1.0.0", true}, {"1.2.3", "2.0.0", false}, {"0.3.1", "0.3.9", true}, {"0.3.1", "0.4.0", false},
		{"0.3.1", "1.3.1", false}, {"devel", "1.0.0", true}, {"", "1.0.0", true}, {"unknown", "devel-0123", true}, {"1", "1.2", true}, {"0", "0.1", false},
	} {
		if Compatible(c.a, c.b) != c.fit || Compatible(c.b, c.a) != c.fit {
			t.Errorf("Compatible(%q, %q) is not %v", c.a, c.b, c.fit)
		}
	}
	if got := BuildVersion("v1.2.3"); got != "1.2.3" {
		t.Errorf("linked: %q", got)
	}
	revision := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}}
	for _, c := range []struct {
		main, want string
		settings   []debug.BuildSetting
	}{
		{"v1.2.3", "1.2.3", revision}, {"(devel)", "devel-0123456789ab", revision}, {"", "devel", nil},
		{"v0.0.0-20310506120000-0123456789ab", "devel-0123456789ab", revision},
	} {
		if got := versionOf(&debug.BuildInfo{Main: debug.Module{Version: c.main}, Settings: c.settings}); got != c.want {
			t.Errorf("%q: %q, want %q", c.main, got, c.want)
		}
	}
}
