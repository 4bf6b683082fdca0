package daemon

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"ripd/internal/proxy"
)

func TestReportPage(t *testing.T) {
	report := url.PathEscape(`{"message":"syntax error, unexpected <end>","file":"/srv/shop/app.rb","line":7,"trace":"a\nb"}`)
	p := reportPage([]byte(report))
	for _, part := range []string{"syntax error, unexpected &lt;end&gt;", "/srv/shop/app.rb:7", "<pre>a\nb</pre>", proxy.PageRequestID} {
		if !strings.Contains(string(p.Body), part) {
			t.Errorf("the page lacks %q:\n%s", part, p.Body)
		}
	}
	var got map[string]fault
	if err := json.Unmarshal(p.JSON, &got); err != nil {
		t.Fatal(err)
	}
	want := fault{"syntax error, unexpected <end>", "/srv/shop/app.rb", 7, "a\nb", proxy.PageRequestID}
	if got["error"] != want || p.Status != 500 {
		t.Errorf("got %d %+v", p.Status, got)
	}
}

func TestReportPageShowsWhatIsNoReport(t *testing.T) {
	for _, report := range []string{"oops%", "<b>", url.PathEscape(`{"line":"x"}`), ""} {
		if p := reportPage([]byte(report)); p.Status != 500 || strings.Contains(string(p.Body), "<b>") || p.JSON == nil {
			t.Errorf("%q: %d %s", report, p.Status, p.Body)
		}
	}
}

func TestTroublePageShowsLastWords(t *testing.T) {
	p := troublePage(&failure{reason: "worker 1: exit status 1", words: []string{"cannot load <x>", "app.rb:3"}})
	if body := string(p.Body); p.Status != 503 || !strings.Contains(body, "worker 1: exit status 1") || !strings.Contains(body, "cannot load &lt;x&gt;\napp.rb:3") {
		t.Errorf("%d %s", p.Status, body)
	}
}
