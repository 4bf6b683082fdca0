package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestReadUnits(t *testing.T) {
	for _, test := range []struct{ name, file, text, http, httpOrigin, user, fault string }{
		{"an empty file", "shop.toml", "", "[::]:3080", "default", "", ""},
		{"an app that is not there", "shop.toml", "app = \"/nowhere\"\nenv_file = \"/nowhere\"\n", "[::]:3080", "default", "", ""},
		{"everything", "shop.toml", "user = \"shop\"\n[listen]\nhttp = [\"80\", \"[::1]:81\", \"/run/x.sock\"]", "[::]:80 [::1]:81 /run/x.sock", "/etc/ripd/shop.toml:3", "shop", ""},
		{"no listener", "shop.toml", "[listen]\nhttp = []", "", "/etc/ripd/shop.toml:2", "", ""},
		{"a bad listener", "shop.toml", "user = \"shop\"\n[listen]\nhttp = [\"99999\"]", "", "default", "shop", "there is no port 99999"},
		{"twice the same", "shop.toml", "[listen]\nhttp = [\"80\", \"80\"]", "", "/etc/ripd/shop.toml:2", "", "there twice"},
		{"a bad user", "shop.toml", "user = \"root\"", "[::]:3080", "default", "", "not run apps as root"},
		{"an unknown key", "shop.toml", "useer = \"x\"", "[::]:3080", "default", "", `did you mean "user"?`},
		{"no TOML, above it", "shop.toml", "[listen]\nhttp = [\"80\"]\nwhat\n", "[::]:80", "/etc/ripd/shop.toml:2", "", "shop.toml:3"},
		{"no TOML, below it", "shop.toml", "what\n[listen]\nhttp = [\"80\"]\n", "", "default", "", "shop.toml:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := ReadUnits(SystemDir+"/"+test.file, []byte(test.text))
			var http []string
			for _, a := range u.HTTP {
				http = append(http, a.String())
			}
			if got := strings.Join(http, " "); got != test.http || u.HTTPOrigin != test.httpOrigin || u.User != test.user {
				t.Errorf("%s (%s), user %q", got, u.HTTPOrigin, u.User)
			}
			if test.fault == "" && err != nil || !strings.Contains(fmt.Sprint(err), test.fault) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestReadUnitsOfNoApp(t *testing.T) {
	for _, name := range []string{"a b", "", "-x", "a\nb", strings.Repeat("x", MaxNameBytes+1)} {
		if u, err := ReadUnits(SystemDir+"/"+name+".toml", []byte("what")); u != nil || err == nil {
			t.Errorf("%q: %v, %v", name, u, err)
		}
	}
}

func TestUserInTheForegroundIsNoted(t *testing.T) {
	c := mustLoad(t, Input{Args: []string{fileFor(t, "command = [\"x\"]\nuser = \"shop\"")}})
	if notes := strings.Join(c.Notes(), "\n"); c.User != "shop" || !strings.Contains(notes, "user: shop is for systemd") {
		t.Errorf("%q, %s", c.User, notes)
	}
}

func TestHardMemoryIsTheLargerOne(t *testing.T) {
	load := func(workers string) error {
		_, err := Load(Input{Args: []string{fileFor(t, "command = [\"x\"]\n[workers]\n"+workers)}})
		return err
	}
	for _, good := range []string{"max_memory_hard = \"64MB\"", "max_memory = \"64MB\"\nmax_memory_hard = \"64MB\"", "max_memory = \"64MB\"\nmax_memory_hard = 0"} {
		if err := load(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	err := load("max_memory = \"64MB\"\nmax_memory_hard = \"32MB\"")
	if err == nil || !strings.Contains(err.Error(), "workers.max_memory_hard: 32MB is less than workers.max_memory, 64MB") {
		t.Errorf("%v", err)
	}
}
