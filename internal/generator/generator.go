// Package generator is ripd under the name ripd-generator: a systemd generator
// (systemd.generator(7)). At boot and at each `systemctl daemon-reload` it turns
// what the files in /etc/ripd say of units into drop-ins for these units:
//
//	/etc/ripd/shop.toml: listen.http    → ripd@shop.socket.d/00-ripd.conf
//	/etc/ripd/shop.toml: listen.https   → ripd-https@shop.socket.d/00-ripd.conf
//	/etc/ripd/shop.toml: listen.metrics → ripd-metrics@shop.socket.d/00-ripd.conf
//	/etc/ripd/shop.toml: user           → ripd@shop.service.d/00-ripd.conf
//
// systemd waits for it, early in the boot, so it reads these files and nothing
// else, talks to nobody, and bounds all that it reads and writes. A file at
// fault is reported to the kernel's log, one line a file, and holds up nothing.
package generator

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"ripd/internal/config"
)

// Name is the program's name under which ripd is the generator.
const Name = "ripd-generator"

// folder is where systemd keeps generators; a link in it may have any name.
const folder = "system-generators"

// Exit codes. A file at fault is no failure: systemd would only repeat it.
const (
	exitOK     = 0
	exitFailed = 1 // the drop-ins could not be written
	exitUsage  = 2
)

// Is tells whether the program was started as the generator. args are those of
// os.Args, the program's name included.
func Is(args []string) bool {
	return len(args) > 0 && (filepath.Base(args[0]) == Name || filepath.Base(filepath.Dir(args[0])) == folder)
}

// Main is the generator. systemd gives it three folders, of which it writes to
// the first; a person who wants to see what it does gives one.
func Main(args []string, stderr io.Writer) int {
	if len(args) != 2 && len(args) != 4 {
		fmt.Fprintf(stderr, "usage: %s FOLDER: writes what the files in %s say of units into FOLDER; see %s(8)\n", Name, config.SystemDir, Name)
		return exitUsage
	}
	log := stderr
	if len(args) == 4 {
		if kernel, err := openKernelLog(); err == nil {
			defer kernel.Close()
			log = kernel
		}
	}
	o := Options{
		Files: config.SystemDir, Out: args[1], Owner: os.Geteuid(),
		Units: []string{"/etc/systemd/system", "/run/systemd/system"},
	}
	report := newReporter(log, os.Getpid())
	err := Generate(o, report.warn)
	report.end()
	if err != nil {
		report.fail(err.Error())
		return exitFailed
	}
	return exitOK
}

// Options says where the generator reads and writes.
type Options struct {
	// Files is the folder of the apps' files, Out the folder for the drop-ins.
	Files, Out string
	// Units are the folders of the administrators' units. A whole unit of an app
	// in one of them gets no drop-in.
	Units []string
	// Owner is the user who, beside root, may own the apps' files.
	Owner int
}

// Generate reads all files and writes the drop-ins. What is wrong with a file goes
// to warn, one line a file. The error says that a drop-in could not be written;
// the others were.
func Generate(o Options, warn func(text string)) error {
	apps := readAll(o, warn)
	claims := claimsOf(apps)
	var failed error
	for _, app := range apps {
		rivals := claims.rivals(app, app.HTTP)
		all := slices.Clone(rivals)
		for _, s := range seconds(app) {
			all = append(all, claims.rivals(app, s.addresses)...)
		}
		if len(all) > 0 {
			warn(all[0].line())
		}
		units := map[string]string{
			"ripd@" + app.Name + ".socket":  socketDropIn(app, rivals),
			"ripd@" + app.Name + ".service": serviceDropIn(app),
		}
		for _, s := range seconds(app) {
			units[s.unit] = s.dropIn(app, claims.rivals(app, s.addresses))
		}
		for unit, text := range units {
			if o.replaced(unit) {
				continue
			}
			if err := write(o.Out, unit, text); err != nil {
				failed = err
			}
		}
	}
	return failed
}

// replaced tells whether the administrator has written the whole unit.
func (o Options) replaced(unit string) bool {
	for _, dir := range o.Units {
		if info, err := os.Lstat(filepath.Join(dir, unit)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}
