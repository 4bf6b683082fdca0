package adapter

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ripd/internal/box"
	"ripd/internal/testkit"
)

// rack3Engine is rackEngine with Rack 3, which is the package of Debian 13.
var rack3Engine = engine{"rack3", func(t testing.TB) []string {
	return append([]string{"env", "RUBYLIB=" + rack3(t)}, rackEngine.command(t)...)
}}

// rack3 is the folder of Rack 3's code.
func rack3(t testing.TB) string {
	t.Helper()
	box.Need(t)
	found, err := filepath.Glob(filepath.Join(box.LanguagesTree(t, "trixie"), "usr/share/rubygems-integration/all/gems/rack-3.*/lib"))
	if err != nil || len(found) != 1 {
		t.Fatalf("Rack 3 in Debian's package: %v, %v", found, err)
	}
	return found[0]
}

// eachRack runs a test with the Rack of this Debian, and with Rack 3.
func eachRack(t *testing.T, test func(t *testing.T, e engine)) {
	for _, e := range []engine{rackEngine, rack3Engine} {
		t.Run(e.name, func(t *testing.T) { test(t, e) })
	}
}

// A body is read to its end, by all ways in turn.
const lintApp = `
require 'rack/lint'
require 'uri'
use Rack::Lint
run(lambda do |env|
  input = env['rack.input']
  size = input.read(1).to_s.bytesize + input.gets.to_s.bytesize
  input.each { |line| size += line.bytesize }
  size += input.read.bytesize
  [200, { 'content-type' => 'text/plain' }, env['REQUEST_METHOD'] == 'HEAD' ? [] : ["#{size}"]]
end)
`

// What ripd does not pass on: its target is no path.
const connecting = "ok-connect.http"

// Whatever ripd passes on is a request as Rack wants it: all of ripd's corpora, as
// clients send it and as workers get it.
func TestRackLintsTheCorpora(t *testing.T) {
	requests := corpora(t)
	eachRack(t, func(t *testing.T, e engine) {
		dir := newFolder(t)
		dir.save("config.ru", lintApp)
		w := startJS(t, e, dir.path("config.ru"))
		for name, request := range requests {
			conn, in := w.raw(t, request)
			if got, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(got, "HTTP/1.1 200 ") && !strings.HasPrefix(got, "HTTP/1.1 100 ") {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			conn.Close()
		}
		w.stops(t)
		if said := w.Stderr.String(); said != "" {
			t.Errorf("its log: %s", said)
		}
	})
}

// corpora are the requests of internal/http1/testdata that are in order, and what the
// workers of internal/proxy/testdata/corpus receive.
func corpora(t *testing.T) map[string]string {
	t.Helper()
	requests := map[string]string{}
	for pattern, of := range map[string]func(text string) string{
		"http1/testdata/requests/ok-*.http": func(text string) string { return text },
		"proxy/testdata/corpus/[^b]*.case":  received,
	} {
		files, err := filepath.Glob(filepath.Join(testkit.Root(t), "internal", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if request := of(string(text)); request != "" && filepath.Base(file) != connecting {
				requests[filepath.Base(file)] = request
			}
		}
	}
	return requests
}

var (
	repeated = regexp.MustCompile(`\{(.)\*(\d+)\}`)
	filledIn = strings.NewReplacer("{id}", strings.Repeat("I", 24), "{start}", strings.Repeat("S", 16))
)

// received is what the worker of a case receives; see TestCorpus of internal/proxy.
func received(text string) string {
	var all strings.Builder
	of := ""
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if step, found := strings.CutPrefix(line, "== "); found {
			of = step
		} else if of == "worker" {
			line, open := strings.CutSuffix(line, `\`)
			line, err := strconv.Unquote(`"` + strings.ReplaceAll(line, `"`, `\"`) + `"`)
			if err != nil {
				panic(err) // TestCorpus reads it, too
			}
			all.WriteString(repeated.ReplaceAllStringFunc(filledIn.Replace(line), func(s string) string {
				m := repeated.FindStringSubmatch(s)
				n, _ := strconv.Atoi(m[2])
				return strings.Repeat(m[1], n)
			}))
			if !open {
				all.WriteString("\r\n")
			}
		}
	}
	return all.String()
}
