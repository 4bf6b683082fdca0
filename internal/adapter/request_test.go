package adapter

import (
	"io"
	"path/filepath"
	"testing"

	"ripd/internal/testkit"
)

// eachFetch runs a test under Node.js and Bun, and under a Node.js that keeps what is in
// a Request or Response to itself, as later versions do.
func eachFetch(t *testing.T, entry string, test func(t *testing.T, w *jsWorker)) {
	eachRuntime(t, func(t *testing.T, r engine) { test(t, startJS(t, r, entry)) })
	t.Run("node that hides", func(t *testing.T) {
		hides := writeApp(t, "hides.mjs", `
const { getOwnPropertySymbols } = Object;
Object.getOwnPropertySymbols = (it) => (it instanceof Request || it instanceof Response ? [] : getOwnPropertySymbols(it));`)
		test(t, startJS(t, node, entry, "NODE_OPTIONS=--import "+hides))
	})
}

// What a fetch function is given is a Request to all that takes one, whatever was asked
// of it before.
func TestRequestOfFetch(t *testing.T) {
	entry := writeApp(t, "index.mjs", `
const uses = {
  async plain(request) {
    const { origin, pathname } = new URL(request.url);
    return [request.method, origin, pathname, request instanceof Request, request.constructor === Request, String(request)];
  },
  async headers(request) {
    const same = request.headers === request.headers;
    request.headers.set('x-more', '2');
    const copy = new Request(request);
    return [same, request.headers.get('x-one'), copy.headers.get('x-one'), copy.headers.get('x-more')];
  },
  async body(request) {
    const clone = request.clone();
    return [await clone.text(), request.bodyUsed, await request.text(), request.bodyUsed];
  },
  async copy(request) {
    const copy = new Request(request, { headers: { 'x-two': '2' } });
    return [copy.method, await copy.text(), copy.headers.get('x-two')];
  },
  async signal(request) {
    const { signal } = request;
    return [signal === request.signal, signal instanceof AbortSignal, signal.aborted, request.clone().signal.aborted];
  },
  async rest(request) {
    return [request.redirect, request.duplex ?? 'half', 'method' in request, request.bodyUsed];
  },
};
export default {
  async fetch(request) {
    try {
      return new Response((await uses[request.url.split('/').at(-1)](request)).join(' '));
    } catch (error) {
      return new Response(String(error), { status: 500 });
    }
  },
};
`)
	eachFetch(t, entry, func(t *testing.T, w *jsWorker) {
		for _, c := range []struct{ path, want string }{
			{"/a/../plain", "POST http://shop.example /plain true true [object Request]"},
			{"/headers", "true 1 1 2"},
			{"/body", "some text false some text true"},
			{"/copy", "POST some text 2"},
			{"/signal", "true true false false"},
			{"/rest", "follow half true false"},
		} {
			if got := text(w.do("POST", c.path, "some text", "X-One: 1")); got != "200 "+c.want {
				t.Errorf("%s: %q, want %q", c.path, got, c.want)
			}
		}
	})
}

// A Response goes out as its body says, whether or not somebody has looked at it.
func TestResponseOfFetch(t *testing.T) {
	entry := writeApp(t, "index.mjs", `
const answers = {
  text: () => new Response('täxt'),
  bytes: () => new Response(new Uint8Array([97, 98, 99]).subarray(1)),
  buffer: () => new Response(new Uint8Array([97, 98]).buffer),
  empty: () => new Response(''),
  none: () => new Response(null),
  clone: () => { const one = new Response('both'); one.clone(); return one; },
  other: () => { const one = new Response('both'); return one.clone(); },
  stream: () => new Response(new Response('in pieces').body),
  query: () => new Response(new URLSearchParams({ a: '1' })),
  blob: () => new Response(new Blob(['a', 'blob'])),
  json: () => Response.json({ a: 1 }),
  async used() { const one = new Response('gone'); await one.text(); return one; },
};
export default { fetch: (request) => answers[request.url.split('/').at(-1)]() };
`)
	eachFetch(t, entry, func(t *testing.T, w *jsWorker) {
		for _, c := range []struct{ path, want string }{
			{"/text", "200 täxt"}, {"/bytes", "200 bc"}, {"/buffer", "200 ab"}, {"/empty", "200 "}, {"/none", "200 "},
			{"/clone", "200 both"}, {"/other", "200 both"}, {"/stream", "200 in pieces"}, {"/query", "200 a=1"}, {"/blob", "200 ablob"},
			{"/json", `200 {"a":1}`},
		} {
			if got := w.get(c.path); got != c.want {
				t.Errorf("%s: %q, want %q", c.path, got, c.want)
			}
		}
		if got := w.get("/used"); got[:4] != "500 " {
			t.Errorf("/used: %q, want a status of 500", got)
		}
	})
}

// A body that breaks off before anybody asks for it is no empty one, and a Response's
// class may give another body (Bun does not ask it).
func TestBodiesUnderNode(t *testing.T) {
	w := startJS(t, node, writeApp(t, "index.mjs", `
let said = 'nothing';
class Own extends Response {
  get body() {
    return new Response('its own').body;
  }
}
export default {
  async fetch(request, { incoming }) {
    if (request.url.endsWith('/said')) return new Response(said);
    if (request.url.endsWith('/own')) return new Own('not this');
    said = 'here';
    await new Promise((resume) => incoming.once('close', resume));
    said = await request.text().then((text) => 'read ' + text, (error) => error.name);
    return new Response('late');
  },
};
`), "RIP_CONCURRENCY=4")
	if got := w.get("/own"); got != "200 its own" {
		t.Errorf("a Response whose class gives another body: %q", got)
	}
	conn, _ := w.raw(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	testkit.Eventually(t, startMost, func() bool { return w.get("/said") == "200 here" }, "the request")
	io.WriteString(conn, "four")
	conn.Close()
	testkit.Eventually(t, startMost, func() bool { return w.get("/said") != "200 here" }, "the end of its client")
	if got := w.get("/said"); got != "200 TypeError" {
		t.Errorf("the body: %q", got)
	}
}

// Frameworks put objects of their own before a Request. Under Node.js they work with this
// one where they do with node's own, and share its body.
func TestRequestBehindOthers(t *testing.T) {
	entry := writeApp(t, "index.mjs", `
async function look(request) {
  const created = Object.create(request);
  const proxied = new Proxy(request, {});
  const seen = [];
  for (const one of [created, proxied, Object.create(proxied)]) {
    seen.push(one.method, new URL(one.url).pathname, one.headers.get('x-one'), one instanceof Request, one.signal === request.signal);
  }
  seen.push(await new Request(created).clone().text(), request.bodyUsed);
  return seen;
}
const outcome = (of) => look(of).then(String, (error) => error.name);
export default {
  async fetch(request) {
    const own = new Request(request.url, { method: 'POST', body: 'some text', headers: { 'x-one': '1' } });
    const [got, want] = [await outcome(request), await outcome(own)];
    return new Response(got === want ? 'the same' : got + ' is not ' + want);
  },
};
`)
	w := startJS(t, node, entry)
	if got := text(w.do("POST", "/path", "some text", "X-One: 1")); got != "200 the same" {
		t.Error(got)
	}
}

// Of an answer that fails before its head is out, nothing stays.
func TestAnswerThatFails(t *testing.T) {
	fetch := writeApp(t, "fetch.mjs", `
const failing = () => new ReadableStream({ pull() { throw new Error('at once'); } });
export default { fetch: () => new Response(failing(), { status: 202, statusText: 'Fine', headers: { 'x-a': '1' } }) };
`)
	handler := writeApp(t, "handler.mjs", `
export default (req, res) => {
  Object.assign(res, { statusCode: 202, statusMessage: 'Fine' });
  res.setHeader('x-a', '1');
  throw new Error('at once');
};
`)
	for _, c := range []struct {
		engine
		entry string
	}{{node, fetch}, {node, handler}, {bun, handler}} {
		t.Run(c.name+" "+filepath.Base(c.entry), func(t *testing.T) {
			answer, err := startJS(t, c.engine, c.entry).do("GET", "/", "")
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.Status != "500 Internal Server Error" || answer.Header.Get("X-A") != "" {
				t.Errorf("%s %v", answer.Status, answer.Header)
			}
		})
	}
}
