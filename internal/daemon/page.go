package daemon

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"ripd/internal/proxy"
)

// This file makes the answer that a developer gets for code that does not load. In
// production nobody sees it: the app's words are for its developer alone.

// fault is what is wrong with the newest code, as far as it is known. Its JSON is
// what an adapter reports, and what a client that asks for JSON gets.
type fault struct {
	Message   string `json:"message"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Trace     string `json:"trace,omitempty"`
	RequestID string `json:"requestId"`
}

// faultPage is the page for a browser. It asks for itself once a second, and loads
// anew when it is not the answer any more.
var faultPage = template.Must(template.New("fault").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="ripd" content="fault">
<title>The app does not load</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem; color: #222; background: #fff }
pre { background: #f4f4f4; padding: 1rem; overflow: auto; font-size: 14px }
h1 { font-size: 1.4rem } .place { font-family: monospace } .small { color: #777; font-size: 14px }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd } pre { background: #222 } }
</style>
<h1>The app does not load</h1>
<p>{{.Message}}</p>
{{with .File}}<p class="place">{{.}}{{with $.Line}}:{{.}}{{end}}</p>
{{end}}{{with .Trace}}<pre>{{.}}</pre>
{{end}}<p class="small">This page loads anew when a file has changed and the app is well again. Request {{.RequestID}}.</p>
<script>
setInterval(async () => {
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, cache: 'no-store' });
    if (!(await answer.text()).includes('<meta name="ripd" content="fault">')) location.reload();
  } catch {}
}, 1000);
</script>
</html>
`))

// page renders the fault in both forms.
func (f fault) page(status int) *proxy.Page {
	f.RequestID = proxy.PageRequestID
	var body bytes.Buffer
	if err := faultPage.Execute(&body, f); err != nil {
		body.WriteString(template.HTMLEscapeString(f.Message))
	}
	p := &proxy.Page{Status: status, ContentType: "text/html; charset=utf-8", Body: body.Bytes()}
	if text, err := json.Marshal(map[string]fault{"error": f}); err == nil {
		p.JSON = append(text, '\n')
	}
	return p
}

// troublePage is for code whose processes do not start: their last words say why.
func troublePage(t *failure) *proxy.Page {
	return fault{Message: t.reason, Trace: strings.Join(t.words, "\n")}.page(http.StatusServiceUnavailable)
}

// reportPage is for what an adapter reports of code that it could not load anew:
// percent-encoded JSON. A report that is none is shown as it is.
func reportPage(report []byte) *proxy.Page {
	var f fault
	text, err := url.PathUnescape(string(report))
	if err == nil {
		err = json.Unmarshal([]byte(text), &f)
	}
	if err != nil || f.Message == "" {
		f = fault{Message: text}
	}
	return f.page(http.StatusInternalServerError)
}
