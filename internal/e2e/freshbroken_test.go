package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// brokenWays are how code is broken in each language, always in the second line.
// The message of the second has characters that mean something in HTML.
var brokenWays = map[string][3]string{
	config.AdapterRack: {"\nrun ->(env) { [200, {}, ['x'] }\n", "\nraise 'no <use> & \"so\"'\n", "\nrequire_relative 'missing'\nrun ->(env) { [200, {}, ['found']] }\n"},
	config.AdapterWSGI: {"\ndef app(:\n", "\nraise ValueError('no <use> & \"so\"')\n", "\nimport missing\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'found']\n"},
	config.AdapterASGI: {"\ndef app(:\n", "\nraise ValueError('no <use> & \"so\"')\n", "\nimport missing\nasync def app(scope, receive, send):\n    assert scope['type'] == 'http'\n" +
		"    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n    await send({'type': 'http.response.body', 'body': b'found'})\n"},
	config.AdapterNode: {"\nexport default = ;\n", "\nthrow new Error('no <use> & \"so\"');\n", "\nimport './missing.mjs';\nexport default { fetch: () => new Response('found') };\n"},
	config.AdapterBun:  {"\nexport default = ;\n", "\nthrow new Error('no <use> & \"so\"');\n", "\nimport './missing.mjs';\nexport default { fetch: () => new Response('found') };\n"},
}

// ask sends a request that says which form it wants.
func (a *app) ask(t *testing.T, accept string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, a.url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	client := &http.Client{Timeout: startMost, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// isTold checks what a developer is told of a fault in the second line of a file.
func (a *app) isTold(t *testing.T, file, message string) {
	t.Helper()
	answer, body := a.ask(t, "application/json")
	var told struct {
		Error struct {
			Message, File, Trace, RequestID string
			Line                            int
		}
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil || answer.StatusCode != 500 || answer.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s: %v", answer.StatusCode, answer.Header, body, err)
	}
	e := told.Error
	if !strings.Contains(e.Message, message) || e.File != file || e.Line != 2 || e.Trace == "" || len(e.RequestID) != 24 {
		t.Errorf("told %+v, want %s in line 2 of %s", e, message, file)
	}
	answer, body = a.ask(t, "text/html,*/*")
	place := fmt.Sprintf(`<p class="place">%s:2</p>`, file)
	if answer.StatusCode != 500 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, place) ||
		!strings.Contains(body, "location.reload()") || strings.Contains(body, "<use>") || strings.Contains(body, "{request-id}") {
		t.Errorf("%d %v %s", answer.StatusCode, answer.Header, body)
	}
	if message == "<use>" && !strings.Contains(body, "no &lt;use&gt; &amp; ") {
		t.Errorf("not escaped: %s", body)
	}
}

// A developer sees what is wrong with the code, until it is good again.
func TestBrokenCodeIsShown(t *testing.T) {
	eachSmallApp(t, "", func(t *testing.T, app smallApp, dir string) {
		for _, mode := range []string{"module", "process"} {
			t.Run(mode, func(t *testing.T) {
				app.save(t, dir, "first")
				a := serve(t, dir, "w:2", "--hot-reload="+mode)
				file := filepath.Join(dir, app.file)
				for i, message := range []string{"", "<use>", "missing"} {
					put(t, dir, app.file, brokenWays[app.adapter][i])
					for range 2 { // workers
						a.isTold(t, file, message)
					}
					if message == "missing" {
						put(t, dir, "missing"+filepath.Ext(strings.Replace(app.file, ".ru", ".rb", 1)), "")
						if got := a.do("GET", "/", ""); got != "200 found" {
							t.Errorf("what was missing is there: %q", got)
						}
						if err := os.Remove(filepath.Join(dir, "missing"+filepath.Ext(strings.Replace(app.file, ".ru", ".rb", 1)))); err != nil {
							t.Fatal(err)
						}
					}
					app.save(t, dir, fmt.Sprint("good ", i))
					for range 4 {
						if got, want := a.do("GET", "/", ""), fmt.Sprint("200 good ", i); got != want {
							t.Errorf("%q, want %q", got, want)
						}
					}
				}
			})
		}
	})
}

// In production nobody sees it, whatever the mode.
func TestBrokenCodeIsNotShownInProduction(t *testing.T) {
	// What waits already goes on waiting for better code.
	eachSmallApp(t, "[queue]\ntimeout = \"1s\"\n", func(t *testing.T, app smallApp, dir string) {
		settings, err := os.ReadFile(filepath.Join(dir, "ripd.toml"))
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, "ripd.toml", fmt.Sprintf("app = %q\n%s", dir, settings))
		for _, mode := range []string{"module", "process"} {
			t.Run(mode, func(t *testing.T) {
				app.save(t, dir, "first")
				a := serve(t, "--instance=small", "--config="+filepath.Join(dir, "ripd.toml"), "w:2", "--hot-reload="+mode)
				for i := range 3 {
					put(t, dir, app.file, brokenWays[app.adapter][i])
					for _, accept := range []string{"text/html", "application/json"} {
						answer, body := a.ask(t, accept)
						if answer.StatusCode < 500 || strings.Contains(body, dir) || strings.Contains(body, "use") || strings.Contains(body, "missing") || answer.Header.Get("Rip-Worker-Error") != "" {
							t.Errorf("%d %v %s", answer.StatusCode, answer.Header, body)
						}
					}
					app.save(t, dir, fmt.Sprint("good ", i))
					testkit.Eventually(t, startMost, func() bool { return a.do("GET", "/", "") == fmt.Sprint("200 good ", i) }, "the good code")
				}
			})
		}
	})
}
