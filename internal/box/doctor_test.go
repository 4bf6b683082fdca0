package box

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// finding is one of doctor's.
type finding struct{ Check, Level, Message, Next string }

// doctor asks ripctl, and gives its findings.
func (b *Box) doctor(args ...string) (all []finding, code int) {
	b.t.Helper()
	out, err := b.Try(args[0], args[1:]...)
	if err != nil {
		out, code = b.Fail(args[0], args[1:]...)
	}
	var x struct {
		Apps []struct{ Findings []finding }
	}
	if err := json.Unmarshal([]byte(out), &x); err != nil || len(x.Apps) != 1 {
		b.t.Fatalf("%v: %s", err, out)
	}
	return x.Apps[0].Findings, code
}

// diagnosis checks that doctor names a fault, and what to do.
func (b *Box) diagnosis(check string, words ...string) {
	b.t.Helper()
	all, code := b.doctor("ripctl", "doctor", "shop", "--json")
	if code != 1 {
		b.t.Errorf("exit code %d", code)
	}
	if !slices.ContainsFunc(all, func(f finding) bool {
		return f.Check == check && f.Level == "problem" && f.Next != "" && holds(f.Message+" "+f.Next, words)
	}) {
		b.t.Errorf("doctor does not name %s %q:\n%+v", check, words, all)
	}
}

func holds(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

const wellFile = "app = \"/srv/shop\"\ncommand = [\"./app\"]\n[listen]\nhttp = [\"8080\"]\n[workers]\ncount = 2\n"

// Faults are made one after the other, and each is named.
func TestDoctor(t *testing.T) {
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			b := bare(t, release)
			b.Run("ln", "-s", "/usr/bin/ripd", "/usr/lib/systemd/system-generators/ripd-generator")
			b.settings(wellFile)
			b.Run("systemctl", "enable", "--now", "ripd@shop")
			for _, part := range []struct {
				name string
				test func(*Box)
			}{
				{"well", (*Box).well}, {"for nobody", (*Box).nobodysLook}, {"crashing workers", (*Box).crashingWorkers},
				{"stale units", (*Box).staleUnits}, {"a broken file", (*Box).brokenFile}, {"a missing command", (*Box).missingCommand},
				{"an app at home", (*Box).appAtHome}, {"a closed folder", (*Box).closedFolder}, {"a taken port", (*Box).takenPort},
				{"well again", (*Box).well},
			} {
				t.Run(part.name, func(t *testing.T) { part.test(b.in(t)) })
			}
		})
	}
}

// settings writes another file, and has systemd read it.
func (b *Box) settings(text string) {
	b.t.Helper()
	b.Write("/etc/ripd/shop.toml", text, 0o644)
	b.Run("systemctl", "daemon-reload")
}

// well also shows the words for people, in the log of the test.
func (b *Box) well() {
	b.t.Helper()
	b.Try("ripctl", "stop", "shop") // the first time it runs, the second it does not
	b.Run("ripctl", "start", "shop")
	b.Answers(shop, "/ping", "200 pong")
	all, code := b.doctor("ripctl", "doctor", "shop", "--json")
	for _, f := range all {
		if f.Level == "problem" || f.Level == "unseen" {
			b.t.Errorf("%+v", f)
		}
	}
	if code != 0 || len(all) < 14 {
		b.t.Errorf("exit code %d, %d findings", code, len(all))
	}
	b.t.Logf("\n%s", b.Run("ripctl", "doctor"))
}

// nobodysLook is that of a user without any privilege.
func (b *Box) nobodysLook() {
	b.t.Helper()
	all, code := b.doctor("runuser", "-u", "nobody", "--", "ripctl", "doctor", "shop", "--json")
	unseen := map[string]bool{}
	for _, f := range all {
		unseen[f.Check] = unseen[f.Check] || f.Level == "unseen" && f.Next != ""
		if f.Level == "problem" {
			b.t.Errorf("%+v", f)
		}
	}
	if code != 0 || !unseen["control"] || !unseen["journal"] {
		b.t.Errorf("exit code %d: %+v", code, all)
	}
}

func (b *Box) crashingWorkers() {
	b.t.Helper()
	b.Write("/srv/shop/broken", "the shop has no shelves\n", 0o644)
	b.Run("sh", "-c", "kill -KILL "+strings.Join(b.Processes("./app"), " "))
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		out, err := b.Try("ripctl", "doctor", "shop")
		return err != nil && strings.Contains(out, "times in a row: exit status 3") && strings.Contains(out, "the shop has no shelves")
	}, "the last words of a worker")
	if err := os.Remove(b.Path("/srv/shop/broken")); err != nil {
		b.t.Fatal(err)
	}
	b.Run("ripctl", "restart", "shop")
}

func (b *Box) staleUnits() {
	b.t.Helper()
	b.Write("/etc/ripd/shop.toml", strings.Replace(wellFile, "8080", "8081", 1), 0o644)
	b.diagnosis("units", "systemctl daemon-reload")
	// Read, and not yet in force.
	b.Run("systemctl", "daemon-reload")
	all, code := b.doctor("ripctl", "doctor", "shop", "--json")
	if code != 0 || !slices.ContainsFunc(all, func(f finding) bool {
		return f.Check == "ports" && f.Level == "warning" && holds(f.Message+f.Next, []string{"[::]:8081", "ripctl stop shop && ripctl start shop"})
	}) {
		b.t.Errorf("exit code %d: %+v", code, all)
	}
	b.settings(wellFile)
}

func (b *Box) brokenFile() {
	b.t.Helper()
	b.settings(strings.Replace(wellFile, "count = 2", "count = 0", 1))
	b.Fail("systemctl", "restart", "ripd@shop")
	b.diagnosis("file", "ripd cannot start", "ripctl config check")
	b.diagnosis("state", "ripctl logs shop")
	b.settings(wellFile)
}

func (b *Box) missingCommand() {
	b.t.Helper()
	b.settings(strings.Replace(wellFile, "./app", "frobnicate", 1))
	b.diagnosis("command", "there is no program frobnicate", "install it")
	b.settings(strings.Replace(wellFile, "./app", "./script", 1))
	b.Write("/srv/shop/script", "#!/usr/bin/env ruby\n", 0o755)
	b.diagnosis("command", "there is no program ruby")
	b.Write("/srv/shop/script", "#!/usr/bin/ruby\n", 0o755)
	b.diagnosis("command", "the first line of /srv/shop/script names /usr/bin/ruby", "is not there")
	b.Write("/srv/shop/script", "#!/bin/sh\n", 0o644)
	b.diagnosis("command", "may not be used by ripd", "chmod o+x /srv/shop/script")
	b.settings(wellFile)
}

func (b *Box) appAtHome() {
	b.t.Helper()
	b.Run("cp", "-r", "/srv/shop", "/home/shop")
	b.settings(strings.Replace(wellFile, "/srv/shop", "/home/shop", 1))
	b.diagnosis("app", "/home/shop is hidden from the service by ProtectHome=yes", "ProtectHome=read-only")
	b.settings(wellFile)
}

func (b *Box) closedFolder() {
	b.t.Helper()
	b.Run("chmod", "0700", "/srv/shop")
	b.diagnosis("app", "/srv/shop may not be used by ripd", "mode 0700", "chmod o+rx /srv/shop")
	b.Run("chmod", "0700", "/srv")
	b.diagnosis("app", "/srv may not be used by ripd", "chmod o+x /srv")
	b.Run("chmod", "0755", "/srv", "/srv/shop")
}

func (b *Box) takenPort() {
	b.t.Helper()
	b.Run("systemctl", "stop", "ripd@shop.socket", "ripd-control@shop.socket", "ripd@shop.service")
	b.Run("systemd-run", "--unit=squatter", "--property=Restart=always", "--property=RestartSec=100ms", "--property=StartLimitIntervalSec=0", "systemd-socket-activate", "--listen=127.0.0.1:8080", "cat")
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		_, err := b.Try("systemctl", "start", "ripd@shop.socket")
		if err == nil {
			b.Run("systemctl", "stop", "ripd@shop.socket", "ripd-control@shop.socket", "ripd@shop.service")
		}
		return err != nil
	}, "a port that is taken")
	b.diagnosis("ports", "[::]:8080 is taken by systemd-socket", "squatter.service", "systemctl stop squatter.service")
	b.Run("systemctl", "stop", "squatter.service")
}
