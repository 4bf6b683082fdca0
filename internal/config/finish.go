package config

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// finish derives what depends on several settings or on the machine, and checks
// what the table cannot.
func (l *loader) finish() {
	l.finishApp()
	l.finishNames()
	l.finishUser()
	l.finishEnv()
	l.finishCredentials()
	l.finishListeners()
	l.finishWorkers()
	l.finishReady()
	l.finishSerial()
	l.finishPreload()
	l.finishActivation()
	l.finishRelease()
	l.finishProxy()
	l.finishTLS()
	l.finishStatic()
	l.finishReload()
	l.finishLog()
}

// finishApp finds out what is run, and where.
func (l *loader) finishApp() {
	c := l.cfg
	if c.Demo {
		l.finishDemo()
		return
	}
	if c.Adapter != AdapterAuto && c.Adapter != AdapterExec && len(c.Command) > 0 && !l.failed("adapter", "command") {
		l.failKey("adapter", faultf("an adapter and a command were both given").hinted("take one out: a command needs no adapter"))
	}
	if c.App == "" {
		if c.File == "" {
			return // findTarget has told it
		}
		c.App = filepath.Dir(c.File)
	}
	folder := l.findProgram()
	if c.Workdir == "" {
		c.Workdir = folder
	} else if info, err := os.Stat(c.Workdir); err != nil {
		l.failKey("workdir", faultf("%s: %s", c.Workdir, reason(err)))
	} else if !info.IsDir() {
		l.failKey("workdir", faultf("%s is not a folder", c.Workdir))
	}
	l.noteProgram()
}

// finishDemo settles what the demo does not have.
func (l *loader) finishDemo() {
	c := l.cfg
	for _, key := range []string{"command", "adapter", "workdir"} {
		if _, set := l.places[key]; set {
			l.failKey(key, faultf("the demo runs ripd's own worker").hinted("take it out, or serve an app"))
		}
	}
	c.App, c.Workdir = "", l.dir
	if l.exists(demoWord) {
		l.note("demo: ripd's own demo, not the folder or program %s; that one is ./%s", filepath.Join(l.dir, demoWord), demoWord)
	}
}

// findProgram checks the app, and finds the program or the adapter that runs it.
// It gives the app's folder.
func (l *loader) findProgram() (folder string) {
	c := l.cfg
	l.splitObject()
	info, err := os.Stat(c.App)
	given := len(c.Command) > 0 || l.failed("command", "adapter")
	switch {
	case err != nil:
		l.failApp(l.missing(err))
		return filepath.Dir(c.App)
	case info.IsDir():
		if !given && !l.findAdapter() {
			l.failApp(l.folderFault())
		}
		return c.App
	case !info.Mode().IsRegular():
		l.failApp(faultf("%s is neither a folder nor a program", c.App))
	case given:
	case l.isProgram(info):
		c.Command = []string{c.App}
	case !l.findAdapter():
		l.failApp(l.fileFault())
	}
	return filepath.Dir(c.App)
}

// isProgram tells whether the app is run as it is. A file that may be executed
// is, unless an adapter was asked for or its name says better how it is run.
func (l *loader) isProgram(info os.FileInfo) bool {
	c := l.cfg
	executable := info.Mode().Perm()&0o111 != 0
	switch {
	case c.Adapter == AdapterExec:
		return executable
	case c.Adapter != AdapterAuto || c.Object != "":
		return false
	}
	return executable && filepath.Ext(c.App) != ".ru" && !shebang(c.App, "bun")
}

// findAdapter finds the adapter that runs the app, and tells which file gave it away.
func (l *loader) findAdapter() bool {
	c := l.cfg
	if c.Adapter == AdapterExec {
		return false
	}
	entry, ok := FindEntry(c.Adapter, c.App)
	if !ok {
		return false
	}
	if c.Object != "" && entry.Adapter != AdapterWSGI && entry.Adapter != AdapterASGI {
		l.failApp(faultf("%s:%s: only the adapters wsgi and asgi look for a name in the file", c.App, c.Object).hinted("leave out :%s", c.Object))
	}
	c.Detected = entry.Adapter
	if c.Adapter == AdapterAuto {
		l.note("adapter: %s, for %s", entry.Adapter, filepath.Base(entry.Path))
	}
	return true
}

// failApp tells a fault of the app, at the place that named it; that is the file
// itself when the app is the file's folder.
func (l *loader) failApp(f *fault) {
	p, set := l.places["app"]
	key := "app"
	if !set {
		p, key = place{file: l.cfg.File}, ""
	}
	l.fail(p, key, f)
}

// noteProgram warns of a program that cannot be found from here. It is no error:
// the worker's PATH may be another one.
func (l *loader) noteProgram() {
	c := l.cfg
	if len(c.Command) == 0 || strings.Contains(c.Command[0], "$") {
		return
	}
	program := c.Command[0]
	if strings.Contains(program, "/") && !filepath.IsAbs(program) {
		program = filepath.Join(c.Workdir, program)
	}
	if _, err := exec.LookPath(program); err == nil || errors.Is(err, exec.ErrDot) {
		return
	}
	if strings.Contains(program, "/") {
		l.note("command: %s is not there, or may not be executed", program)
	} else {
		l.note("command: %s is not in ripd's PATH", program)
	}
}

// finishEnv reads the environment file once, so that a fault in it shows early.
func (l *loader) finishEnv() {
	if l.cfg.EnvFile == "" {
		return
	}
	_, err := ReadEnvFile(l.cfg.EnvFile)
	var e *Error
	switch {
	case err == nil:
	case errors.As(err, &e) && e.Line > 0:
		l.fail(place{file: e.File, line: e.Line, column: e.Column}, e.Key, &fault{problem: e.Problem, hint: e.Hint})
	default:
		l.failKey("env_file", faultf("%s: %s", l.cfg.EnvFile, e.Problem))
	}
}

// finishWorkers decides the number of workers, and checks what bounds them.
func (l *loader) finishWorkers() {
	w := &l.cfg.Workers
	if w.MaxMemoryHard > 0 && w.MaxMemoryHard < w.MaxMemory && !l.failed("workers.max_memory", "workers.max_memory_hard") {
		l.failKey("workers.max_memory_hard", faultf("%s is less than workers.max_memory, %s", FormatSize(w.MaxMemoryHard), FormatSize(w.MaxMemory)).
			hinted("make it the larger one: a worker is to be replaced before the kernel has to end it"))
	}
	if w.CountAuto {
		n, why := l.in.CPUs()
		w.Count = min(max(n, 1), MaxWorkers)
		l.note("workers: %d, for %s", w.Count, why)
	}
}

// finishReady sees to it that an adapter's program is waited for in the way that
// it tells.
func (l *loader) finishReady() {
	c := l.cfg
	switch ready := c.Workers.Ready; {
	case !c.loadsCode():
	case ready == ReadyAuto:
		c.Workers.Ready = ReadyRegister
	case ready != ReadyRegister:
		l.failKey("workers.ready", faultf("the adapter %s registers, and does nothing of the kind of %s", c.AdapterInUse(), quote(string(ready))).hinted("take it out"))
	}
}

// finishSerial refuses an order of requests that ripd does not keep, and tells of
// one that changes nothing.
func (l *loader) finishSerial() {
	c := l.cfg
	switch {
	case !c.Workers.Serial:
	case c.AdapterInUse() == AdapterExec && !l.failed("adapter", "command", "app"):
		l.failKey("workers.serial", faultf("the order of its requests is a program's own business").
			hinted("take it out; rack, node, bun, wsgi and asgi know it"))
	case c.Workers.Concurrency == 1 && !l.failed("workers.concurrency"):
		l.note("serial: a worker has one request at a time anyway; c:2 gives it the next one too")
	}
}

// finishPreload refuses what cannot be loaded before it is forked.
func (l *loader) finishPreload() {
	c := l.cfg
	if !c.Workers.Preload || l.failed("adapter", "command", "app") {
		return
	}
	_, set := l.places["reload.mode"]
	switch in := c.AdapterInUse(); {
	case in != AdapterRack && in != AdapterWSGI && in != AdapterASGI:
		l.failKey("workers.preload", faultf("%s cannot fork an app that it has loaded", quote(in)).hinted("take it out; rack, wsgi and asgi can"))
	case set && c.Reload.Mode == ModeModule:
		l.failKey("workers.preload", faultf("in the reload mode %s each worker loads code by itself", quote(string(ModeModule))).
			hinted("take one of them out; %q loads the app once more when its code has changed, and so does `ripctl restart` in the mode %q", ModeProcess, ModeNone))
	}
}

// finishActivation refuses to open a socket for a program of ripd's own, which
// opens it itself.
func (l *loader) finishActivation() {
	if c := l.cfg; c.Workers.Activation && (c.Demo || c.loadsCode()) && !l.failed("adapter", "command", "app") {
		l.failKey("workers.activation", faultf("%s opens its socket itself", quote(c.AdapterInUse())).hinted("take it out; it is for a command whose server takes systemd's sockets"))
	}
}

// finishProxy checks the status page's path.
func (l *loader) finishProxy() {
	path := &l.cfg.Proxy.StatusPath
	switch {
	case *path == "off":
		*path = ""
	case *path == "":
	case !strings.HasPrefix(*path, "/"):
		l.failKey("proxy.status_path", faultf("%s does not begin with /", quote(shorten(*path))).hinted(`as in status_path = "/status"; "off" turns it off`))
	case strings.ContainsAny(*path, "?# \t\r\n"):
		l.failKey("proxy.status_path", faultf("%s is more than a path", quote(shorten(*path))).hinted("take out spaces, ? and #"))
	}
}

// finishReload decides the reload mode.
func (l *loader) finishReload() {
	c := l.cfg
	_, set := l.places["reload.mode"]
	switch {
	case set && c.Reload.Mode == ModeModule && !c.loadsCode() && !l.failed("adapter", "command", "app"):
		l.failKey("reload.mode", faultf("%s needs an adapter that loads code inside its process, and %s cannot", quote(string(ModeModule)), quote(c.AdapterInUse())).
			hinted("rack, node, bun, wsgi and asgi can; %q starts new workers when the code has changed", ModeProcess))
	case !set && c.Foreground && c.Workers.Preload:
		c.Reload.Mode = ModeProcess
		l.note("reload: process, because ripd runs in the foreground, and the workers are forked from an app that is loaded once")
	case !set && c.Foreground && c.loadsCode():
		c.Reload.Mode = ModeModule
		l.note("reload: module, because ripd runs in the foreground")
	case !set && c.Foreground:
		c.Reload.Mode = ModeProcess
		l.note("reload: process, because ripd runs in the foreground")
	}
}

// finishLog decides where access lines go.
func (l *loader) finishLog() {
	log := &l.cfg.Log
	log.JSON = log.JSON || log.Access == AccessJSON
	switch {
	case log.AccessTo == AccessToOff:
		log.Access = AccessOff
	case log.AccessTo == AccessToFile && log.AccessFile == "" && !l.failed("log.access_to", "log.access_file"):
		l.failKey("log.access_to", faultf("there is no file for the access lines").hinted(`name it: access_file = "/var/log/ripd/%s/access.log"`, l.cfg.Name))
	case log.AccessTo == AccessToAuto && log.AccessFile != "":
		log.AccessTo = AccessToFile
	}
}
