package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Messages of files, whole: where, what, what would be right. FILE and DIR stand
// for the file's and its folder's path.
func TestFileMessages(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"key of another table", "command = [\"x\"]\nsize = 5\n",
			`FILE:2:1: there is no key "size"; did you mean queue.size? It stands in [queue]`},
		{"a flag's name", "command = [\"x\"]\nmax_queue = 5\n",
			`FILE:2:1: there is no key "max_queue"; did you mean queue.size? It stands in [queue]`},
		{"a slip", "command = [\"x\"]\n[queue]\n  siez = 5\n",
			`FILE:3:3: there is no key "siez" in [queue]; did you mean "size"?`},
		{"a dash", "command = [\"x\"]\n[workers]\nmax-requests = 5\n",
			`FILE:3:1: there is no key "max-requests" in [workers]; did you mean "max_requests"?`},
		{"a key of the top in a table", "[queue]\ncommand = [\"x\"]\n",
			"FILE:2:1: there is no key \"command\" in [queue]; did you mean command? It stands at the top, above all [tables]\n" +
				"FILE: no command was given for DIR, and nothing in it is known; write " + anyCommand},
		{"a name from elsewhere", "command = [\"x\"]\nport = 5\n",
			`FILE:2:1: there is no key "port"; did you mean listen.http? It stands in [listen]`},
		{"nothing like it at the top", "command = [\"x\"]\nname = 5\n",
			`FILE:2:1: there is no key "name"; above all [tables] there are app, adapter, command, workdir, user, env, env_file, env_credentials, variant and socket_prefix`},
		{"nothing like it", "command = [\"x\"]\n[queue]\nflavour = 5\n",
			`FILE:3:1: there is no key "flavour" in [queue]; [queue] has size and timeout`},
		{"a table's name", "command = [\"x\"]\n[worker]\nsurge = 1\n",
			`FILE:2:2: there is no table [worker]; did you mean [workers]?`},
		{"no table's name", "command = [\"x\"]\n[database]\nurl = 1\n",
			`FILE:2:2: there is no table [database]; there are listen, workers, queue, timeouts, limits, proxy, tls, reload, log, static, compression, env, env_credentials and static.accel`},
		{"a key as a table", "command = [\"x\"]\n[variant]\n",
			`FILE:2:2: there is no table [variant]; write variant = "blue"`},
		{"a list of tables", "command = [\"x\"]\n[[queue]]\nsize = 1\n",
			`FILE:2:3: queue: [[queue]] is a list of tables, wanted one table; write [queue]`},
		{"a table as a value", "command = [\"x\"]\nqueue = 5\n",
			`FILE:2:1: queue is a table, not a value; write [queue] and its keys below`},
		{"without quotes", "command = [\"x\"]\n[reload]\nmode = none\n",
			`FILE:3:8: none is not a value; strings are quoted: mode = "none"`},
		{"a unit without quotes", "command = [\"x\"]\n[queue]\ntimeout = 5s\n",
			`FILE:3:12: 5s is not a value; strings are quoted: timeout = "5s"`},
		{"a key twice", "command = [\"x\"]\n[queue]\nsize = 1\nsize = 2\n",
			`FILE:4:1: key size is already defined`},
		{"columns are characters", "command = [\"x\"]\nenv = { \"Ü\" = \"ä\", \"Ä\" = 1 }\n",
			`FILE:2:9: env: "Ü" is not a variable's name; letters, digits and _ are possible, and no digit first`},
		{"an element of a list", "command = [\"x\"]\n[listen]\nhttp = [\n  \"3080\",\n  \"::1\",\n]\n",
			`FILE:5:3: listen.http: "::1": the port is missing; write "[::1]:3080"`},
		{"several", "command = \"puma -p 3\"\n[queue]\nsize = \"5\"\ntimeout = 5\n[workers]\nmax_age = \"10\"\n",
			"FILE:1:11: command: found the string \"puma -p 3\", wanted a list of strings: a program and its arguments; write [\"puma\", \"-p\", \"3\"]\n" +
				"FILE:3:8: queue.size: found the string \"5\", wanted a whole number; write 5 without quotes\n" +
				"FILE:4:11: queue.timeout: found the number 5 without a unit, wanted a duration; write \"5s\" for seconds, or \"5ms\" for milliseconds\n" +
				"FILE:6:11: workers.max_age: found the string \"10\" without a unit, wanted a duration; write \"10s\" for seconds, or \"10ms\" for milliseconds"},
		{"an unfinished file", "command = [\"x\"", `FILE:1:14: array is incomplete`},
		{"a mark of byte order", "\ufeffcommand = [\"x\"]\nsiez = 1\n",
			`FILE:2:1: there is no key "siez"; did you mean queue.size? It stands in [queue]`},
		{"no command", "adapter = \"exec\"\n",
			`FILE: no command was given for DIR, and nothing in it is known; write ` + anyCommand},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := fileFor(t, test.text)
			_, err := load(t, Input{Args: []string{file}})
			want := strings.NewReplacer("FILE", file, "DIR", filepath.Dir(file)).Replace(test.want)
			if fmt.Sprint(err) != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

// Messages of words, flags and variables.
func TestCommandLineMessages(t *testing.T) {
	for _, test := range []struct{ args, env, want string }{
		{"", "", "nothing to serve was given; ripd FOLDER serves an app, ripd demo needs none, ripd --help says more"},
		{"demo w:x", "", `w:x: workers.count: found "x", wanted a whole number or "auto"; as in w:4`},
		{"demo w:", "", `w:: workers.count: found "", wanted a whole number or "auto"; as in w:4`},
		{"demo w:0", "", `w:0: workers.count: 0 is too little: 1 to 1024; as in w:4`},
		{"demo w=4", "", "w=4: there is no such word; did you mean w:4?"},
		{"w4 demo", "", "w4: there is no such word; did you mean w:4?"},
		{"demo workers:4", "", "workers:4: there is no such word; did you mean w:4?"},
		{"demo port:80", "", "port:80: there is no such word; did you mean http:80?"},
		{"demo htp:80", "", "htp:80: there is no such word; did you mean http:80?"},
		{"demo x:3", "", "x:3: there is no such word; words are w:N, c:N, r:N, http, http:PORT, https and https:PORT"},
		{"demo check", "", "check: there is no such word; did you mean --check?"},
		{"demo http:65536", "", `http:65536: listen.http: "65536": there is no port 65536; ports are 0 to 65535`},
		{"demo https:x", "", "https:x: listen.https: \"x\": not an address; write \"3080\", \"127.0.0.1:3080\", \"[::1]:3080\" or \"/run/shop.sock\""},
		{"demo https:3080", "", "https:3080: listen.https: [::]:3080 is there twice; take one out"},
		{"demo --max-que=5", "", "--max-que=5: there is no such flag; did you mean --max-queue?"},
		{"demo --size=5", "", "--size=5: there is no such flag; did you mean --max-queue=512?"},
		{"demo -w 4", "", "-w 4: there is no such flag; did you mean w:4?"},
		{"demo --body=5", "", "--body=5: there is no such flag; did you mean RIP_LIMITS_BODY=100MB in the environment, or limits.body in the file?"},
		{"demo --env=A=1", "", "--env=A=1: there is no such flag; did you mean env in the file?"},
		{"demo --frobnicate", "", "--frobnicate: there is no such flag; ripd --help lists the flags"},
		{"demo -- puma", "", `--: there is no such flag; a program and its arguments go into ripd.toml: command = ["puma", "-b", "unix://$SOCKET_PATH"]` + "\npuma: there is no such word; words are w:N, c:N, r:N, http, http:PORT, https and https:PORT"},
		{"demo --max-queue", "", "--max-queue: the value is missing; as in --max-queue=512"},
		{"demo --max-queue --json-logging", "", "--max-queue: the value is missing; as in --max-queue=512"},
		{"demo --max-queue=-5", "", "--max-queue=-5: queue.size: -5 is too little: 0 to 1000000; as in --max-queue=512"},
		{"demo --queue-timeout-ms=5s", "", `--queue-timeout-ms=5s: queue.timeout: found "5s", wanted a number of milliseconds; as in --queue-timeout-ms=5000`},
		{"demo --queue-timeout-ms 0", "", `--queue-timeout-ms 0: queue.timeout: 0ms is too little: 1ms to 24h; as in --queue-timeout-ms=5000`},
		{"demo --json-logging=yes", "", "--json-logging=yes: --json-logging takes no value; write --json-logging"},
		{"demo", "RIP_WORKERS_PRELOAD=true", `RIP_WORKERS_PRELOAD: workers.preload: "demo" cannot fork an app that it has loaded; take it out; rack, wsgi and asgi can`},
		{"demo --hot-reload=module", "", `--hot-reload=module: reload.mode: "module" needs an adapter that loads code inside its process, and "demo" cannot; rack, node, bun, wsgi and asgi can; "process" starts new workers when the code has changed`},
		{"demo --hsts=1", "", "--hsts=1: --hsts takes no value; write --hsts"},
		{"demo --redirect-http=true", "", "--redirect-http=true: --redirect-http takes no value; write --redirect-http"},
		{"demo --redirect-http", "", "--redirect-http: tls.redirect_http: there is no https listener to redirect to; write https = [\"443\"] below [listen], or name the proxy that speaks TLS in proxy.trusted"},
		{"demo --config=x.toml", "", "--config: the demo has no file; leave out demo or --config"},
		{"demo --config=", "", "--config: the value is empty; as in --config=ripd.toml"},
		{"demo --instance=a/b", "", `--instance=a/b: "a/b" has other characters than letters, digits, '-', '_' and '.'; as in a-b`},
		{"demo --variant=a:b", "", `--variant=a:b: variant: "a:b" has other characters than letters, digits, '-', '_' and '.'; as in a-b`},
		{"demo", "RIP_QUEUE_SIZ=5", "RIP_QUEUE_SIZ: there is no such setting; did you mean RIP_QUEUE_SIZE?"},
		{"demo", "RIP_SIZE=5", "RIP_SIZE: there is no such setting; did you mean RIP_QUEUE_SIZE?"},
		{"demo", "RIP_ENV=A=1", "RIP_ENV: there is no such setting; set the app's variable itself: workers inherit ripd's environment"},
		{"demo", "RIP_ENVFILE=x", "RIP_ENVFILE: there is no such setting; did you mean RIP_ENV_FILE?"},
		{"demo", "RIP_SOMETHING_ELSE=1", "RIP_SOMETHING_ELSE: there is no such setting; names that begin with RIP_ are ripd's; take it out"},
		{"demo", "RIP_QUEUE_TIMEOUT=5000", `RIP_QUEUE_TIMEOUT: queue.timeout: found "5000" without a unit, wanted a duration; write 5000s for seconds, or 5000ms for milliseconds`},
		{"demo", "RIP_LIMITS_BODY=1x", `RIP_LIMITS_BODY: limits.body: found "1x", wanted a size: a whole number with B, KB, MB, GB or TB; as in RIP_LIMITS_BODY=100MB`},
		{"demo", "RIP_COMMAND=puma", "RIP_COMMAND: command: the demo runs ripd's own worker; take it out, or serve an app"},
		{"demo", "RIP_WORKERS_EXTERNAL=yes", `RIP_WORKERS_EXTERNAL: workers.external: found "yes", wanted true or false; as in RIP_WORKERS_EXTERNAL=true`},
		{"demo", "RIP_USER=root", "RIP_USER: user: ripd does not run apps as root; make a user for the app: adduser --system --group shop"},
	} {
		t.Run(test.args+" "+test.env, func(t *testing.T) {
			_, err := load(t, Input{Args: strings.Fields(test.args), Environ: []string{test.env}})
			if fmt.Sprint(err) != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

// Messages of apps that cannot be run as they are. DIR is the folder above.
func TestAppMessages(t *testing.T) {
	for _, test := range []struct{ name, files, arg, want string }{
		{"no rack", "app.py", "shop RIP_ADAPTER=rack", `shop: app: there is no config.ru in DIR/shop, which the adapter rack loads; name the file, as app = "web.ru"`},
		{"no script", "package.json README", "shop", `shop: app: no command was given for DIR/shop (found package.json); write into DIR/shop/ripd.toml: app = "src/main.js", the file with the app`},
		{"main.py", "main.py", "shop", `shop: app: no command was given for DIR/shop (found main.py); write into DIR/shop/ripd.toml: app = "main.py:app", with adapter = "asgi" for FastAPI and Starlette`},
		{"program", "+server +aaa README", "shop", `shop: app: no command was given for DIR/shop (found the program aaa); write into DIR/shop/ripd.toml: command = ["./aaa"]`},
		{"nothing", "README", "shop", `shop: app: no command was given for DIR/shop, and nothing in it is known; write into DIR/shop/ripd.toml: ` + anyCommand},
		{"an object", "config.ru", "shop/config.ru:api", `shop/config.ru:api: app: DIR/shop/config.ru:api: only the adapters wsgi and asgi look for a name in the file; leave out :api`},
		{"not executable", "server", "shop/server", `shop/server: app: DIR/shop/server is not a program: it may not be executed; chmod +x DIR/shop/server, or give a command`},
		{"missing", "README", "shoop", `shoop: app: DIR/shoop: there is no such file or folder; did you mean DIR/shop?`},
		{"two", "+a +b", "shop/a shop/b", `shop/b: one ripd serves one app, and shop/a was given too; start another ripd for it`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "shop"), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, name := range strings.Fields(test.files) {
				mode := os.FileMode(0o644)
				if name[0] == '+' {
					name, mode = name[1:], 0o755
				}
				if err := os.WriteFile(filepath.Join(dir, "shop", name), nil, mode); err != nil {
					t.Fatal(err)
				}
			}
			arg, env, _ := strings.Cut(test.arg, " RIP_ADAPTER=")
			in := Input{Args: strings.Fields(arg), Dir: dir}
			if env != "" {
				in.Environ = []string{"RIP_ADAPTER=" + env}
			}
			_, err := load(t, in)
			if want := strings.ReplaceAll(test.want, "DIR", dir); fmt.Sprint(err) != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

func TestBareRipdFindsTheFolder(t *testing.T) {
	file := fileFor(t, `command = ["x"]`)
	_, err := load(t, Input{Dir: filepath.Dir(file)})
	if want := "nothing to serve was given; ripd . serves this folder, which has a ripd.toml"; fmt.Sprint(err) != want {
		t.Errorf("got %v", err)
	}
}

func TestProblems(t *testing.T) {
	_, err := load(t, Input{Args: []string{"demo", "w:x", "c:x"}})
	if all := Problems(fmt.Errorf("settings: %w", err)); len(all) != 2 || all[1].Key != "workers.concurrency" {
		t.Errorf("got %v", all)
	}
	if all := Problems(errors.New("other")); all != nil {
		t.Errorf("got %v", all)
	}
}
