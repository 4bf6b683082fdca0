package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// smallApp is an app of one file, in each language. %s is what it answers at any
// path but /hang, where it never does, and /env, where it says its process and VALUE
// of its environment.
type smallApp struct {
	adapter, file, text string
	settings            string
}

var smallApps = []smallApp{
	{config.AdapterRack, "config.ru", "run ->(env) do\n  sleep if env['PATH_INFO'] == '/hang'\n  [200, {}, [env['PATH_INFO'] == '/env' ? \"#{Process.pid} #{ENV['VALUE']}\" : '%s']]\nend\n", debian},
	{config.AdapterWSGI, "app.py", "import os, time\ndef app(environ, start_response):\n    if environ['PATH_INFO'] == '/hang':\n        time.sleep(1000)\n" +
		"    start_response('200 OK', [])\n    if environ['PATH_INFO'] == '/env':\n        return [f\"{os.getpid()} {os.environ.get('VALUE')}\".encode()]\n    return [b'%s']\n", debian},
	{config.AdapterASGI, "asgi.py", "import asyncio, os\nasync def app(scope, receive, send):\n    assert scope['type'] == 'http'\n    if scope['path'] == '/hang':\n        await asyncio.sleep(1000)\n" +
		"    body = f\"{os.getpid()} {os.environ.get('VALUE')}\".encode() if scope['path'] == '/env' else b'%s'\n" +
		"    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n    await send({'type': 'http.response.body', 'body': body})\n", debian},
	{config.AdapterNode, "index.mjs", smallScript, ""},
	{config.AdapterBun, "index.mjs", smallScript, ""},
}

const smallScript = `export default { fetch(request) {
  if (request.url.endsWith('/hang')) return new Promise(() => {});
  return new Response(request.url.endsWith('/env') ? process.pid + ' ' + process.env.VALUE : '%s');
} };
`

// eachSmallApp runs a test with a folder for each of the apps. save saves the app's
// file, so that it answers so.
func eachSmallApp(t *testing.T, settings string, test func(t *testing.T, app smallApp, dir string)) {
	for _, app := range smallApps {
		t.Run(app.adapter, func(t *testing.T) {
			switch app.adapter {
			case config.AdapterNode:
				testkit.Need(t, "node")
			case config.AdapterBun:
				t.Setenv("PATH", filepath.Dir(testkit.Bun(t))+":"+os.Getenv("PATH"))
			default:
				testkit.Need(t, map[bool]string{true: "ruby", false: "/usr/bin/python3"}[app.adapter == config.AdapterRack])
			}
			dir := filepath.Join(testkit.TempSocketDir(t), "small")
			put(t, dir, "ripd.toml", fmt.Sprintf("adapter = %q\n%s\n%s\n", app.adapter, app.settings, settings))
			app.save(t, dir, "first")
			test(t, app, dir)
		})
	}
}

func (s smallApp) save(t *testing.T, dir, answer string) {
	t.Helper()
	put(t, dir, s.file, fmt.Sprintf(s.text, answer))
}

// put saves a file of an app by renaming.
func put(t *testing.T, dir, file, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeByRename(filepath.Join(dir, file), text); err != nil {
		t.Fatal(err)
	}
}

// A request that hangs does not hold back what is saved, neither the first time
// nor later, and is not cut off by it.
func TestHangingRequestHoldsNothingBack(t *testing.T) {
	eachSmallApp(t, "", func(t *testing.T, app smallApp, dir string) {
		for _, words := range []string{"--hot-reload=process w:1", "--hot-reload=module w:1 c:2", "--hot-reload=module w:2"} {
			t.Run(words, func(t *testing.T) {
				app.save(t, dir, "first")
				a := serve(t, append([]string{dir}, strings.Fields(words)...)...)
				hanging := make(chan string, 1)
				go func() { hanging <- a.do("GET", "/hang", "") }()
				testkit.Eventually(t, testkit.Timeout, func() bool {
					inFlight := 0
					for _, w := range a.workers(t) {
						inFlight += w.InFlight
					}
					return inFlight == 1
				}, "the request hangs")
				for _, answer := range []string{"second", "third", "fourth"} {
					app.save(t, dir, answer)
					for range 2 {
						if got := a.do("GET", "/", ""); got != "200 "+answer {
							t.Errorf("%q, want %q", got, answer)
						}
					}
				}
				select {
				case got := <-hanging:
					t.Errorf("the request that hangs was answered: %q", got)
				default:
				}
			})
		}
	})
}
