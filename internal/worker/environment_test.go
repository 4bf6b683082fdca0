package worker

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEnvironment(t *testing.T) {
	base := []string{
		"PATH=/bin", "HOME=/srv", "LANG=C.UTF-8", "EMPTY=", "=C:=odd", "no equals sign",
		"INVOCATION_ID=abc", "STATE_DIRECTORY=/var/lib/ripd/shop", "RUNTIME_DIRECTORY=/run/ripd/shop",
		"LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=http:control", "LISTEN_PIDFDID=7",
		"NOTIFY_SOCKET=/run/systemd/notify", "WATCHDOG_USEC=1", "WATCHDOG_PID=1", "FDSTORE=64",
		"MAINPID=1", "MAINPIDFDID=1", "MANAGERPID=1", "MANAGERPIDFDID=1", "JOURNAL_STREAM=8:1", "SYSTEMD_EXEC_PID=1",
		"CREDENTIALS_DIRECTORY=/run/credentials", "OLDPWD=/", "PWD=/", "_=/usr/bin/ripd",
		"RIP_WORKERS_COUNT=4", "RIP_QUEUE_SIZE=1", "RIP_TOKEN=outer", "WORKER_ID=9", "RIPE=yes",
	}
	file := map[string]string{"FROM_FILE": "1", "HOME": "/file", "WORKER_ID": "77"}
	settings := map[string]string{"FROM_FILE": "2", "LISTEN_FDS": "app's own", "RIP_TOKEN": "forged", "RIP_EXTRA": "kept"}
	got := Environment(base, file, settings, Variables{
		App: "shop", ID: 3, Generation: 12, Variant: "main", Socket: "/run/s.sock", Control: "/run/c.sock", Token: "secret", Dir: "/srv/shop",
	})
	want := []string{
		"APP_NAME=shop", "EMPTY=", "FROM_FILE=2", "HOME=/file", "INVOCATION_ID=abc", "LANG=C.UTF-8", "LISTEN_FDS=app's own",
		"PATH=/bin", "PWD=/srv/shop", "RIPE=yes", "RIP_CONTROL=/run/c.sock", "RIP_EXTRA=kept", "RIP_GENERATION=12",
		"RIP_TOKEN=secret", "RIP_VARIANT=main", "RUNTIME_DIRECTORY=/run/ripd/shop", "SOCKET_PATH=/run/s.sock",
		"STATE_DIRECTORY=/var/lib/ripd/shop", "WORKER_ID=3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	got = Environment(nil, nil, nil, Variables{Binary: "/usr/bin/ripd"})
	if !slices.Contains(got, "RIP_BINARY=/usr/bin/ripd") || len(got) != 9 {
		t.Errorf("got %q", got)
	}
}

func TestExpand(t *testing.T) {
	env := []string{"SOCKET_PATH=/run/a b.sock", "A=old", "A=1", "_x9=u", "EMPTY=", "DOLLAR=$A"}
	for _, tc := range []struct{ word, want string }{
		{"", ""},
		{"plain", "plain"},
		{"$A", "1"},
		{"${A}", "1"},
		{"${A}2$A", "121"},
		{"unix://$SOCKET_PATH", "unix:///run/a b.sock"},
		{"$_x9.", "u."},
		{"[$EMPTY]", "[]"},
		{"$$A", "$A"},
		{"$$$A$$", "$1$"},
		{"a$", "a$"},
		{"$1 $- $(x)", "$1 $- $(x)"},
		{"$DOLLAR", "$A"},
		{"é$Aé", "é1é"},
	} {
		got, err := Expand([]string{"first", tc.word}, env)
		if err != nil || got[1] != tc.want {
			t.Errorf("%q: got %q, %v; want %q", tc.word, got, err, tc.want)
		}
	}
	for word, want := range map[string]string{
		"x$NONE":  `no variable NONE in the worker's environment ($$ is a dollar sign), in "x$NONE" of the command`,
		"${NONE}": `no variable NONE in the worker's environment ($$ is a dollar sign), in "${NONE}" of the command`,
		"${A":     `${ without a name and a closing brace, in "${A" of the command`,
		"${}":     `${ without a name and a closing brace, in "${}" of the command`,
		"${A-b}":  `${ without a name and a closing brace, in "${A-b}" of the command`,
	} {
		if _, err := Expand([]string{word}, env); err == nil || err.Error() != want {
			t.Errorf("%q: %v", word, err)
		}
	}
}

func TestExpandProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z${}A_0]{0,12}`).Draw(t, "word")
		got, err := Expand([]string{word}, []string{"A=$A", "a="})
		if !strings.Contains(word, "$") && (err != nil || got[0] != word) {
			t.Fatalf("%q became %q, %v", word, got, err)
		}
		escaped := strings.ReplaceAll(word, "$", "$$")
		if got, err := Expand([]string{escaped}, nil); err != nil || got[0] != word {
			t.Fatalf("%q became %q, %v", escaped, got, err)
		}
	})
}
