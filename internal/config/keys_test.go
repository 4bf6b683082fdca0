package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keyCase is one key with values that are good, and with values that are not
// and what is said of them.
type keyCase struct {
	good []string
	bad  map[string]string // value as in the file → part of the message
}

// keyCases has a row for each row of the table; TestEachKeyHasCases holds it.
var keyCases = map[string]keyCase{
	"app": {[]string{`"."`, `"../shop"`}, map[string]string{
		`3`: "found the number 3, wanted a path in quotes", `"~/shop"`: "~ is not replaced", `"nowhere"`: "there is no such file or folder", `"a\u0000b"`: "NUL"}},
	"adapter": {[]string{`"auto"`, `"exec"`}, map[string]string{
		`"rack"`: `an adapter and a command were both given; take one out`, `"racc"`: `did you mean "rack"?`, `1`: "found the number 1, wanted a string"}},
	"command": {[]string{`["puma", "-b", "unix://$SOCKET_PATH"]`, `["./server"]`}, map[string]string{
		`"puma -C x"`: `write ["puma", "-C", "x"]`, `[""]`: "the program's name is empty", `["a", 3]`: "found the number 3, wanted a string", `["a\u0000"]`: "NUL", `{a = 1}`: "found a table", `["a", ["b"]]`: "found a list"}},
	"workdir": {[]string{`"."`, `""`}, map[string]string{
		`"nowhere"`: "there is no such file", `"ripd.toml"`: "is not a folder", `true`: "found true (a truth value)"}},
	"user": {[]string{`""`, `"www-data"`, `"_shop.app"`}, map[string]string{
		`"root"`: "does not run apps as root", `"a b"`: "is not a user's name", `"0"`: "is not a user's name", `"x\n"`: "is not a user's name", `3`: "wanted a string",
		`"` + strings.Repeat("x", MaxUserBytes+1) + `"`: "is not a user's name"}},
	"env": {[]string{`{}`, `{ A = "1", b_2 = "" }`}, map[string]string{
		`"A=1"`: "wanted a table of strings", `{ A = 1 }`: `A: found the number 1, wanted a string; write A = "1"`, `{ "a b" = "x" }`: "is not a variable's name",
		`{ WORKER_ID = "1" }`: "WORKER_ID belongs to ripd", `{ RIP_TOKEN = "1" }`: "RIP_TOKEN belongs to ripd", `{ LISTEN_FDS = "1" }`: "belongs to ripd",
		`{ A = "\u0000" }`: "NUL", `{ A = { B = "1" } }`: "A: found a table"}},
	"env_file": {[]string{`""`, `"env"`}, map[string]string{
		`"nowhere"`: "there is no such file", `"bad.env"`: "bad.env:2: \"oops\" is not KEY=value", `"."`: "this is a folder, not a file", `[]`: "found a list"}},
	"env_credentials": {[]string{`{}`, `{ A = "a.key", b_2 = "b-2" }`}, map[string]string{
		`"A=1"`: "wanted a table of strings", `{ A = 1 }`: "A: found the number 1", `{ "a b" = "x" }`: "is not a variable's name", `{ WORKER_ID = "x" }`: "WORKER_ID belongs to ripd",
		`{ A = "/etc/x" }`: "and not a path", `{ A = "" }`: "A: \"\": the name is empty", `{ A = ".x" }`: "no dot first"}},
	"variant": {[]string{`"main"`, `"blue-2"`}, map[string]string{
		`""`: "the name is empty", `"a/b"`: "as in a-b", `"12345678901234567"`: "has 17 bytes; 16 is the most", `".x"`: "begins with", `1`: "wanted a string"}},
	"socket_prefix": {[]string{`""`, `"rip_x"`}, map[string]string{
		`"a b"`: "other characters", `"` + strings.Repeat("x", MaxPrefixBytes+1) + `"`: "is the most", `false`: "wanted a string"}},
	"listen.http": {[]string{`["3080"]`, `["127.0.0.1:80", "[::1]:80", "/run/x.sock", "0", "0"]`}, map[string]string{
		`[]`: "there is nothing to listen on", `"3080"`: `write ["3080"]`, `3080`: `found the number 3080, wanted a list of addresses; write ["3080"]`, `[3080]`: "found the number 3080, wanted a string",
		`["65536"]`: "there is no port 65536", `["80", "80"]`: "there twice", `["80", "127.0.0.1:80"]`: "cannot both be listened on"}},
	"listen.https": {[]string{`[]`, `["443", "/run/x.sock"]`}, map[string]string{
		`["3080"]`: "there twice", `["127.0.0.1:3080"]`: "cannot both be listened on", `5`: "wanted a list of addresses", `["x:1"]`: "names are not looked up"}},
	"listen.metrics": {[]string{`[]`, `["9090", "127.0.0.1:9091", "/run/m.sock"]`}, map[string]string{
		`["3080"]`: "there twice", `["127.0.0.1:3080"]`: "cannot both be listened on", `"9090"`: `write ["9090"]`, `["x:1"]`: "names are not looked up"}},
	"listen.proxy_protocol": {[]string{`false`}, map[string]string{`true`: "nobody is trusted to send a PROXY header", `1`: "true or false"}},
	"workers.count": {[]string{`"auto"`, `1`, `1024`, `0x10`, `1_000`}, map[string]string{
		`0`: "0 is too little: 1 to 1024", `1025`: "1025 is too much: 1 to 1024", `"4"`: "write 4 without quotes", `"many"`: `wanted a whole number or "auto"`, `1.5`: "found the number 1.5"}},
	"workers.serial":      {[]string{`false`}, map[string]string{`"yes"`: "true or false", `true`: "a program's own business"}},
	"workers.preload":     {[]string{`false`}, map[string]string{`1`: "true or false", `true`: `"exec" cannot fork an app that it has loaded`}},
	"workers.concurrency": {[]string{`1`, `1024`}, map[string]string{`0`: "too little", `1025`: "too much", `"1"`: "write 1 without quotes", `-1`: "too little"}},
	"workers.max_requests": {[]string{`0`, `1`, `1000000000`}, map[string]string{
		`-1`: "-1 is too little: 1 to 1000000000, or 0 for never", `1000000001`: "too much", `99999999999999999999`: "too much", `true`: "wanted a whole number"}},
	"workers.upgrades":   {[]string{`0`, `1`, `100000`}, map[string]string{`-1`: "too little", `100001`: "too much: 1 to 100000, or 0 for none", `"1"`: "without quotes"}},
	"workers.max_age":    {[]string{`"0s"`, `0`, `"1s"`, `"12h"`, `"8784h"`}, map[string]string{`"10ms"`: "too little: 1s to 8784h", `"8785h"`: "too much", `"1d"`: "numbers with ms, s, m or h", `3600`: `write "3600s" for seconds`}},
	"workers.max_memory": {[]string{`"0"`, `0`, `"1MB"`, `"512mb"`, `1048576`, `"64TB"`}, map[string]string{`"1KB"`: "1KB is too little", `"65TB"`: "too much", `"lots"`: "wanted a size", `"9999999999TB"`: "too much", `1.5`: "found the number 1.5", `-1`: "below nothing"}},
	"workers.max_memory_hard": {[]string{`"0"`, `0`, `"16MB"`, `"1GB"`, `16777216`, `"64TB"`}, map[string]string{
		`"1MB"`: "1MB is too little: 16MB to 64TB, or 0 for none", `"65TB"`: "too much", `"lots"`: "wanted a size"}},
	"workers.ready": {[]string{`"auto"`, `"register"`, `"notify"`, `"listen"`}, map[string]string{
		`"listn"`: `"listn" is not one of auto, register, notify or listen; did you mean "listen"?`, `true`: "wanted a string"}},
	"workers.release":    {[]string{`"answer"`, `"early"`}, map[string]string{`"erly"`: `did you mean "early"?`, `true`: "wanted a string"}},
	"workers.scheduling": {[]string{`"auto"`, `"batch"`, `"inherit"`}, map[string]string{`"bach"`: `did you mean "batch"?`, `true`: "wanted a string"}},
	"workers.streams":    {[]string{`0`, `1`, `100000`}, map[string]string{`100001`: "too much", `-1`: "-1 is too little: 1 to 100000, or 0 for none"}},
	"workers.activation": boolCase,
	"workers.credentials": {[]string{`[]`, `["a", "b-2.key"]`}, map[string]string{
		`"a"`: `write ["a"]`, `["a b"]`: "letters, digits", `["a/b"]`: "and not a path", `[""]`: "the name is empty", `[3]`: "wanted a string",
		`["` + strings.Repeat("x", MaxCredentialNameBytes+1) + `"]`: "at most 255 bytes"}},
	"workers.start_timeout": durationCase, "workers.stop_timeout": durationCase,
	"workers.external": boolCase,
	"workers.surge":    {[]string{`1`, `1024`}, map[string]string{`0`: "too little", `1025`: "too much", `"1"`: "without quotes"}},
	"queue.size":       {[]string{`0`, `512`, `1000000`}, map[string]string{`-1`: "-1 is too little: 0 to 1000000", `1000001`: "too much", `"512"`: "write 512 without quotes", `1979-05-27`: "found the date or time 1979-05-27"}},
	"queue.timeout":    durationCase,
	"timeouts.connect": durationCase, "timeouts.read": durationCase, "timeouts.client_header": durationCase,
	"timeouts.client_body": durationCase, "timeouts.client_idle": durationCase, "timeouts.client_write": durationCase,
	"timeouts.upgrade_idle":  {[]string{`0`, `"0s"`, `"1h"`}, map[string]string{`"25h"`: "too much: 1ms to 24h, or 0 for never", `5`: `write "5s" for seconds`}},
	"timeouts.upgrade_drain": {[]string{`0`, `"0s"`, `"20s"`}, map[string]string{`"25h"`: "too much: 1ms to 24h, or 0 for none", `5`: `write "5s" for seconds`}},
	"limits.header":          {[]string{`"1KB"`, `"1MB"`}, map[string]string{`"1023B"`: "1KB to 1MB", `"2MB"`: "too much", `true`: "wanted a size"}},
	"limits.body":            {[]string{`"1KB"`, `"1TB"`}, map[string]string{`"0"`: "0 is too little: 1KB to 1TB", `"2TB"`: "too much"}},
	"limits.buffer":          {[]string{`"4KB"`, `"64MB"`}, map[string]string{`"1KB"`: "too little", `"65MB"`: "too much", `[]`: "found a list"}},
	"limits.response_spool":  {[]string{`"1MB"`, `"1TB"`}, map[string]string{`"1KB"`: "too little", `"2TB"`: "too much"}},
	"limits.connections":     {[]string{`1`, `1000000`}, map[string]string{`0`: "too little", `1000001`: "too much", `"1"`: "without quotes"}},
	"limits.streams":         {[]string{`1`, `10000`}, map[string]string{`0`: "too little", `10001`: "too much", `"1"`: "without quotes"}},
	"limits.line":            {[]string{`"256B"`, `256`, `"1MB"`}, map[string]string{`"255B"`: "too little: 256B to 1MB", `"2MB"`: "too much"}},
	"limits.rate": {[]string{`"0"`, `0`, `"20/s"`, `"600/m"`, `"1000000/h"`}, map[string]string{
		`"20"`: "write /s, /m or /h", `"0/s"`: `"0" is no bound`, `"1000001/s"`: "too much: 1 to 1000000", `"99999999999999999999/s"`: "too much", `"x/s"`: "wanted a rate", `"20/d"`: "write /s, /m or /h", `20`: "found the number 20", `"-1/s"`: "wanted a rate"}},
	"limits.rate_burst": {[]string{`1`, `1000000`}, map[string]string{`0`: "too little: 1 to 1000000", `"1"`: "without quotes"}},
	"proxy.trusted": {[]string{`[]`, `["10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "::1", "unix"]`, `["0.0.0.0/0", "::ffff:192.0.2.1"]`}, map[string]string{
		`["x"]`: `"x": not a network; write "10.0.0.0/8"`, `["10.0.0.1/8"]`: `write "10.0.0.0/8"`, `["::ffff:10.0.0.0/104"]`: `write "10.0.0.0/8"`, `["fe80::1%eth0"]`: "not a network",
		`"10.0.0.0/8"`: `write ["10.0.0.0/8"]`, `[3]`: "found the number 3, wanted a string"}},
	"proxy.request_buffering": boolCase,
	"proxy.status_path":       {[]string{`"/status"`, `""`, `"off"`}, map[string]string{`"status"`: "does not begin with /", `"/a?b"`: "more than a path", `3`: "wanted a string"}},
	"proxy.error_pages":       {[]string{`""`, `"public"`}, map[string]string{`"nowhere"`: "there is no such file", `"ripd.toml"`: "is not a folder", `3`: "wanted a string"}},
	"tls.certificate": {[]string{`""`, `[]`, `"x.crt"
key = "x.key"`, `["x.crt", "/y.crt"]
key = ["x.key", "y.key"]`}, map[string]string{`"x"`: "a certificate without its key", `["x", ""]`: "one of the paths is empty", `"~/x"`: "~ is not replaced", `3`: "wanted a path in quotes, or a list"}},
	"tls.key": {[]string{`""`, `"x.key"
certificate = "x.crt"`}, map[string]string{`"x"`: "a key without its certificate", `["x", "y"]
certificate = "x"`: "there are 2 keys for 1 certificates", `[1]`: "wanted a string"}},
	"tls.http2":         boolCase,
	"tls.redirect_http": {[]string{`false`}, map[string]string{`true`: "there is no https listener", `1`: "wanted true or false"}},
	"tls.acme": {[]string{`[]`}, map[string]string{
		`["shop.example.com"]`: "there is no https listener", `"shop.example.com"`: `write ["shop.example.com"]`, `[3]`: "wanted a string", `[""]`: "the name is empty",
		`["*.example.com"]`: "a wildcard needs a proof in the DNS", `["192.0.2.1"]`: "it is an address", `["[2001:db8::1]"]`: "it is an address", `["a_b.example.com"]`: "not a host's name",
		`["a..com"]`: "not a host's name", `["-a.com"]`: "not a host's name", `["shop.example.com:443"]`: "not a host's name", `["https://shop.example.com"]`: "not a host's name", `["bücher.com"]`: "written as xn--",
		`["` + strings.Repeat("x", maxLabelBytes+1) + `.com"]`: "not a host's name", `["` + strings.Repeat("x.", 126) + `com"]`: "at most 253 bytes"}},
	"tls.acme_email": {[]string{`""`, `"a@example.com"`}, map[string]string{
		`"me"`: "is not one address", `"a@b.com, c@d.com"`: "is not one address", `1`: "wanted a string", `"@` + strings.Repeat("x", MaxACMETextBytes) + `"`: "512 is the most"}},
	"tls.acme_directory": {[]string{`"https://ca.example/dir"`, `"https://127.0.0.1:14000/dir"`}, map[string]string{
		`""`: "is not the URL of a directory", `"http://ca.example/dir"`: "it begins with https://", `"ca.example/dir"`: "is not the URL", `"https://a:b@ca.example/"`: "is not the URL", `"https:///dir"`: "is not the URL",
		`7`: "wanted a string", `"https://ca/` + strings.Repeat("x", MaxACMETextBytes) + `"`: "512 is the most"}},
	"tls.acme_root":   {[]string{`""`, `"ca.pem"`}, map[string]string{`[]`: "found a list", `"~/ca.pem"`: "~ is not replaced"}},
	"tls.acme_key_id": {[]string{`""`, `"kid-1"`}, map[string]string{`1`: "wanted a string", `"` + strings.Repeat("x", MaxACMETextBytes+1) + `"`: "512 is the most"}},
	"tls.acme_key":    {[]string{`""`}, map[string]string{`"acme.key"`: "there is a key without its account", `true`: "found true"}},
	"tls.hsts": {[]string{`""`, `"max-age=5"`, `"Max-Age=5; includeSubDomains"`}, map[string]string{
		`"x"`: "has no max-age", `"max-age=1\r\nX: y"`: "characters that a field cannot have", `"max-age=1;` + strings.Repeat("x", MaxHSTSBytes) + `"`: "is the most", `5`: "wanted a string"}},

	"static.root": {[]string{`""`, `"public"`}, map[string]string{
		`"nowhere"`: "there is no such file", `"."`: "holds the app itself", `".."`: "holds the app itself", `"/"`: "holds the app itself", `"ripd.toml"`: "is not a folder", `"~/x"`: "~ is not replaced", `3`: "wanted a string"}},
	"static.index":         {[]string{`"index.html"`, `""`}, map[string]string{`".x"`: "not the name of a file", `"a/b"`: "not the name of a file", `3`: "wanted a string", `"` + strings.Repeat("x", 256) + `"`: "is the most"}},
	"static.precompressed": boolCase,
	"static.cache_control": {[]string{`""`, `"no-cache"`}, map[string]string{`"a\r\nX: y"`: "not the value of a field", `5`: "wanted a string"}},
	"static.immutable":     {[]string{`[]`, `["/assets/", "/packs/"]`}, map[string]string{`["assets"]`: "does not begin with /", `"/assets/"`: `write ["/assets/"]`}},
	"static.links":         {[]string{`[]`, `["public", "/"]`}, map[string]string{`["nowhere"]`: "there is no such file", `[""]`: "one of the paths is empty", `"/x"`: `write ["/x"]`}},
	"static.sendfile":      {[]string{`[]`, `["public", "/"]`}, map[string]string{`["nowhere"]`: "there is no such file", `[""]`: "one of the paths is empty", `"/x"`: `write ["/x"]`}},
	"static.accel": {[]string{`{}`, `{ "/a/" = "public", "/b/" = "/" }`}, map[string]string{
		`{ "/a" = "public" }`: "does not begin and end with /", `{ "a/" = "/" }`: "does not begin and end with /", `{ "/a/" = "nowhere" }`: "there is no such file",
		`{ "/a/" = 3 }`: "/a/: found the number 3", `"x"`: "wanted a table of paths and folders"}},

	"reload.mode":     {[]string{`"none"`, `"process"`}, map[string]string{`"module"`: "needs an adapter that loads code inside its process", `"proces"`: `did you mean "process"?`}},
	"log.access":      {[]string{`"human"`, `"json"`, `"off"`}, map[string]string{`"jsn"`: `did you mean "json"?`, `false`: "wanted a string"}},
	"log.access_to":   {[]string{`"auto"`, `"output"`, `"off"`}, map[string]string{`"file"`: "there is no file for the access lines", `"ouput"`: `did you mean "output"?`, `true`: "wanted a string"}},
	"log.access_file": {[]string{`""`, `"/tmp/access.log"`}, map[string]string{`"~/x"`: "~ is not replaced", `1`: "wanted a path"}},
	"log.slow":        {[]string{`"0s"`, `"1ms"`, `"24h"`}, map[string]string{`"25h"`: "too much", `1`: `write "1s" for seconds`}},
	"log.sample":      {[]string{`0`, `1`, `1000000000`}, map[string]string{`-1`: "too little", `"1"`: "without quotes"}},
	"compression.codings": {[]string{`[]`, `["gzip"]`, `["zstd", "gzip"]`}, map[string]string{
		`["br"]`: `write ["zstd", "gzip"]`, `["gzp"]`: `did you mean "gzip"?`, `["gzip", "gzip"]`: "is there twice", `"gzip"`: `write ["gzip"]`, `true`: "wanted a list"}},
	"compression.level":    {[]string{`1`, `9`}, map[string]string{`0`: "too little: 1 to 9", `10`: "too much", `"4"`: "without quotes"}},
	"compression.min_size": {[]string{`"0"`, `"1B"`, `"1GB"`}, map[string]string{`"2GB"`: "too much: 1B to 1GB, or 0 for any", `true`: "wanted a size"}},
	"compression.types": {[]string{`[]`, `["text/*", "*/*"]`, `["application/*+json"]`}, map[string]string{
		`["text"]`: "not a media type", `["*"]`: `write "*/*"`, `["text/html; charset=utf-8"]`: "take out parameters", `["a/*/*"]`: "not a media type", `["*/*x"]`: "more than one asterisk", `"text/*"`: `write ["text/*"]`}},
	"compression.streams": {[]string{`0`, `1`, `10000`}, map[string]string{`10001`: "too much", `-1`: "-1 is too little: 1 to 10000, or 0 for none"}},
	"log.level":           {[]string{`"debug"`, `"info"`, `"warn"`, `"error"`}, map[string]string{`"warning"`: "not one of debug, info, warn or error", `1`: "wanted a string"}},
}

var durationCase = keyCase{[]string{`"1ms"`, `"1m30s"`, `"24h"`}, map[string]string{
	`"0s"`: "1ms to 24h", `"25h"`: "25h is too much", `5`: `write "5s" for seconds, or "5ms" for milliseconds`, `"5"`: "without a unit", `"soon"`: "wanted a duration", `true`: "found true (a truth value), wanted a duration", `"-1s"`: "too little"}}

var boolCase = keyCase{[]string{`true`, `false`}, map[string]string{`"true"`: "write true without quotes", `1`: "found the number 1, wanted true or false"}}

// keyFile writes a file with one key at fault or not, and what else it needs.
func keyFile(t *testing.T, s *setting, value string) string {
	t.Helper()
	text := s.leaf() + " = " + value + "\n"
	if s.section() != "" {
		text = "[" + s.section() + "]\n" + text
	}
	if s.key != "command" {
		text = "command = [\"true\"]\n" + text
	}
	file := fileFor(t, text)
	write(t, file, "../env", "A=1\n")
	write(t, file, "../bad.env", "A=1\noops\n")
	if err := os.Mkdir(filepath.Join(filepath.Dir(file), "public"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEachKeyHasCases(t *testing.T) {
	for i := range settings {
		c := keyCases[settings[i].key]
		if len(c.good) == 0 || len(c.bad) == 0 {
			t.Errorf("%s has no cases", settings[i].key)
		}
	}
	if len(keyCases) != len(settings) {
		t.Errorf("%d cases for %d rows", len(keyCases), len(settings))
	}
}

func TestKeys(t *testing.T) {
	for i := range settings {
		s := &settings[i]
		for _, value := range keyCases[s.key].good {
			t.Run(s.key+"/good "+value, func(t *testing.T) {
				file := keyFile(t, s, value)
				c := mustLoad(t, Input{Args: []string{file}})
				for _, e := range c.Explain() {
					if e.Key == s.key && !strings.HasPrefix(e.Origin, file+":") {
						t.Errorf("the origin of %s is %s", e.Key, e.Origin)
					}
				}
			})
		}
		for value, message := range keyCases[s.key].bad {
			t.Run(s.key+"/bad "+value, func(t *testing.T) {
				file := keyFile(t, s, value)
				_, err := load(t, Input{Args: []string{file}})
				if err == nil {
					t.Fatalf("%s = %s was taken", s.key, value)
				}
				if !strings.Contains(err.Error(), message) {
					t.Errorf("got  %v\nwant … %s …", err, message)
				}
				if len(Problems(err)) != 1 {
					t.Errorf("one fault, and %d errors:\n%v", len(Problems(err)), err)
				}
				for _, p := range Problems(err) {
					if p.Line == 0 || !strings.HasPrefix(p.Error(), p.File+":") {
						t.Errorf("no place in: %v", p)
					}
				}
			})
		}
	}
}

// What is written by Explain can be read, and means the same.
func TestExplainedValuesLoadAgain(t *testing.T) {
	first := mustLoad(t, Input{Args: []string{fileFor(t, example(t, "full"))}})
	var top, sections strings.Builder
	section := ""
	for _, e := range first.Explain() {
		s := settingOf(e.Key)
		if s.key == "env" || s.key == "workers.count" {
			continue // hidden; decorated
		}
		b := &top
		if b.Len() > 0 && s.section() != "" {
			b = &sections
		}
		if s.section() != section {
			section = s.section()
			b.WriteString("[" + section + "]\n")
		}
		b.WriteString(s.leaf() + " = " + e.Value + "\n")
	}
	second := mustLoad(t, Input{Args: []string{fileFor(t, top.String()+sections.String())}})
	for i, e := range first.Explain() {
		if e.Key != "env" && second.Explain()[i].Value != e.Value {
			t.Errorf("%s: %s became %s", e.Key, e.Value, second.Explain()[i].Value)
		}
	}
}
