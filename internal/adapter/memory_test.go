package adapter

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

const (
	// reloadsMost is how often an app is loaded anew in one process, unless
	// RIPD_SAVES says another number.
	reloadsMost = 400
	// ballast is what one version of the app's file holds, in bytes.
	ballast = 200 << 10
	// growthMost is by how much a worker may grow from its tenth reload to its
	// last, in bytes: less than the versions that it has loaded.
	growthMost = 50 << 20
)

// In the mode module a process does not keep what it has replaced. Node's ES
// modules and Bun's are the exception, see TestReloadsThatLeakEnd.
func TestReloadsKeepNoMemory(t *testing.T) {
	text := map[string]string{
		"rack": "TEXT = '%d' + '%s'\nLIST = Array.new(1000) { |i| \"line #{i}\" }\nrun ->(_env) { [200, {}, [TEXT.to_i.to_s]] }\n",
		"wsgi": "TEXT = '%d' + '%s'\nLIST = [f'line {i}' for i in range(1000)]\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [str(int(TEXT.split('x')[0])).encode()]\n",
		"asgi": "TEXT = '%d' + '%s'\nLIST = [f'line {i}' for i in range(1000)]\nasync def app(scope, receive, send):\n    assert scope['type'] == 'http'\n" +
			"    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n    await send({'type': 'http.response.body', 'body': str(int(TEXT.split('x')[0])).encode()})\n",
		"node": "const text = '%d' + '%s';\nconst list = Array.from({ length: 1000 }, (_, i) => `line ${i}`);\nmodule.exports = (req, res) => res.end(String(parseInt(text) + 0 * list.length));\n",
	}
	entry := map[string]string{"rack": "config.ru", "wsgi": "app.py", "asgi": "asgi.py", "node": "index.cjs"}
	reloads, err := strconv.Atoi(cmp.Or(os.Getenv("RIPD_SAVES"), strconv.Itoa(reloadsMost)))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []engine{rackEngine, wsgiEngine, asgiEngine, node} {
		t.Run(e.name, func(t *testing.T) {
			f := newFolder(t)
			save := func(n int) { f.save(entry[e.name], fmt.Sprintf(text[e.name], n, strings.Repeat("x", ballast))) }
			save(0)
			w := startJS(t, e, f.path(entry[e.name]), inModuleMode, inDevelopment, fmt.Sprint("RIP_RELOADS_MAX=", reloads+1))
			var before, after int64
			for n := 1; n <= reloads; n++ {
				save(n)
				if got, want := w.get("/"), fmt.Sprintf("200 %d", n); got != want {
					t.Fatalf("%q, want %q: %s; the control socket saw %q", got, want, w.Stderr, w.door.seen())
				}
				if after = resident(t, w.PID()); n == reloads/10 {
					before = after
				}
			}
			t.Logf("%d reloads of %d KB: %d MB after a tenth of them, %d MB after all", reloads, ballast>>10, before>>20, after>>20)
			if after-before > growthMost {
				t.Errorf("from %d MB to %d MB", before>>20, after>>20)
			}
		})
	}
}

// resident is the memory of a process, in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// An app may leave something behind in a library each time it is loaded, Node.js
// keeps ES modules for ever, and Bun their text. Then the process makes place for a new one.
func TestReloadsThatLeakEnd(t *testing.T) {
	text := map[string]string{
		"rack": "($leak ||= []) << 'x' * 2_000_000\nrun ->(_env) { [200, {}, ['%d']] }\n",
		"wsgi": "import sys\nsys.leak = getattr(sys, 'leak', []) + [b'x' * 2_000_000]\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'%d']\n",
		"node": "(globalThis.leak ??= []).push(Buffer.alloc(2_000_000, 'x'));\nexport default { fetch: () => new Response('%d') };\n",
		"bun":  "(globalThis.leak ??= []).push(Buffer.alloc(2_000_000, 'x'));\nexport default { fetch: () => new Response('%d') };\n",
	}
	entry := map[string]string{"rack": "config.ru", "wsgi": "app.py", "node": "index.mjs", "bun": "index.mjs"}
	for _, e := range []engine{rackEngine, wsgiEngine, node, bun} {
		t.Run(e.name, func(t *testing.T) {
			f := newFolder(t)
			save := func(n int) { f.save(entry[e.name], fmt.Sprintf(text[e.name], n)) }
			save(0)
			w := startJS(t, e, f.path(entry[e.name]), inModuleMode, "RIP_GROWN_MB=40")
			leaving := func() bool { return strings.Contains(w.door.seen(), "deregister") }
			n := 1
			for ; n < 200 && !leaving(); n++ {
				save(n)
				if got, want := w.get("/"), fmt.Sprintf("200 %d", n); got != want {
					if leaving() {
						break // it was told to end between the two
					}
					t.Fatalf("%q, want %q: %s", got, want, w.Stderr)
				}
			}
			if code := w.Wait(t, testkit.Timeout); code != 0 || !leaving() || n < 5 {
				t.Errorf("exit code %d after %d reloads, the control socket saw %q", code, n, w.door.seen())
			}
		})
	}
}
