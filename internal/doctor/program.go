package doctor

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"ripd/internal/config"
)

const (
	checkApp     = "app"
	checkCommand = "command"

	// servicePath is where systemd's services look for programs (systemd.exec(5), Environment).
	servicePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
	// firstLine is how much of a file the kernel reads to find an interpreter, execve(2).
	firstLine = 256
)

// interpreters are the programs that the adapters need.
var interpreters = map[string]string{
	config.AdapterRack: "ruby", config.AdapterWSGI: "python3", config.AdapterASGI: "python3",
	config.AdapterNode: "node", config.AdapterBun: "bun",
}

// app looks at the folders and files that the app's user has to read.
func (e *exam) app() {
	if e.config == nil || e.user == nil || e.config.Demo {
		return
	}
	c := e.config
	// ripd itself runs as that user, too.
	e.readable(checkApp, e.File, mayRead)
	want := uint32(mayRead)
	if info, err := e.host.stat(c.App); err == nil && info.IsDir() {
		want = mayRead | mayExecute
	}
	e.readable(checkApp, c.App, want)
	if c.Workdir != c.App {
		e.readable(checkApp, c.Workdir, mayExecute)
	}
	if c.EnvFile != "" {
		e.readable(checkApp, c.EnvFile, mayRead)
	}
	if c.Log.AccessFile != "" {
		e.writable(path.Dir(c.Log.AccessFile))
	}
	e.good(checkApp, "%s can be read by %s", c.App, e.user.name)
}

// readable looks at whether the user comes to a file, also in the sandbox. It gives
// the file without symbolic links, "" when it does not.
func (e *exam) readable(check, file string, want uint32) string {
	if file == "" {
		return ""
	}
	if e.hidden(check, file) {
		return ""
	}
	real, o := e.reach(file, want)
	if o != nil {
		e.blocked(check, file, o)
		return ""
	}
	if real != file && e.hidden(check, real) {
		return ""
	}
	return real
}

func (e *exam) blocked(check, file string, o *obstacle) {
	what := o.path + " " + o.problem
	if o.path != file {
		what = file + ": " + what
	}
	switch {
	case o.unseen && e.host.UID != 0:
		e.add(check, Unseen, "call ripctl as root", "%s", what)
	case o.missing:
		e.add(check, Problem, "put it there, or change "+e.File, "%s", what)
	default:
		e.add(check, Problem, o.next, "%s", what)
	}
}

// hidden tells, and says, whether the service's sandbox hides a file.
func (e *exam) hidden(check, file string) bool {
	if e.Unit == nil {
		return false
	}
	s := &e.Unit.Service.Sandbox
	if under(file, s.Bound...) {
		return false
	}
	reason, next := "", ""
	switch {
	case (s.Home == "yes" || s.Home == "tmpfs") && under(file, "/home", "/root", "/run/user"):
		reason = "ProtectHome=" + s.Home
		next = fmt.Sprintf("move it, to /srv for example; or: systemctl edit ripd@%s, with the lines [Service] and ProtectHome=read-only", e.Name)
	case s.PrivateTmp && under(file, "/tmp", "/var/tmp"):
		reason = "PrivateTmp=yes"
		next = fmt.Sprintf("move it, to /srv for example; or: systemctl edit ripd@%s, with the lines [Service] and PrivateTmp=no", e.Name)
	case under(file, trimmed(s.Inaccessible)...):
		reason = "InaccessiblePaths="
		next = fmt.Sprintf("move it, or change the drop-in: systemctl cat ripd@%s", e.Name)
	default:
		return false
	}
	e.add(check, Problem, next, "%s is hidden from the service by %s", file, reason)
	return true
}

// trimmed takes off the signs that paths of a unit may begin with.
func trimmed(paths []string) (clean []string) {
	for _, p := range paths {
		clean = append(clean, strings.TrimLeft(p, "-+"))
	}
	return clean
}

// under tells whether a file is one of these folders, or in one.
func under(file string, folders ...string) bool {
	for _, dir := range folders {
		if file == dir || strings.HasPrefix(file, strings.TrimSuffix(dir, "/")+"/") {
			return true
		}
	}
	return false
}

// writable looks at whether ripd can make a file in a folder.
func (e *exam) writable(dir string) {
	if e.Unit != nil && e.Unit.Service.Sandbox.System == "strict" {
		open := append(trimmed(e.Unit.Service.Sandbox.Writable), "/var/log/ripd/"+e.Name, "/var/lib/ripd/"+e.Name, "/run/ripd/"+e.Name)
		if !under(dir, open...) {
			next := fmt.Sprintf("use /var/log/ripd/%s, which is there for that; or: systemctl edit ripd@%s, with the lines [Service] and ReadWritePaths=%s", e.Name, e.Name, dir)
			e.add(checkApp, Problem, next, "log.access_file: the service may not write to %s", dir)
			return
		}
		if under(dir, "/var/log/ripd/"+e.Name) {
			return // systemd makes it
		}
	}
	if _, o := e.reach(dir, mayWrite|mayExecute); o != nil {
		e.blocked(checkApp, dir, o)
	}
}

// program looks at what is executed.
func (e *exam) program() {
	if e.config == nil || e.user == nil || e.config.Demo {
		return
	}
	c := e.config
	name := ""
	switch {
	case len(c.Command) > 0:
		name = c.Command[0]
	case (c.Detected == config.AdapterWSGI || c.Detected == config.AdapterASGI) && e.environment() != "":
		name = e.environment()
	default:
		name = interpreters[c.Detected]
	}
	if name == "" || strings.Contains(name, "$") {
		e.add(checkCommand, Unseen, "", "the program depends on variables: %s", name)
		return
	}
	if file := e.find(checkCommand, name); file != "" && e.runnable(file) {
		e.good(checkCommand, "%s can be executed by %s", file, e.user.name)
	}
}

// environment is the interpreter of an app's own virtual environment.
func (e *exam) environment() string {
	root := e.config.App
	if info, err := e.host.stat(root); err == nil && !info.IsDir() {
		root = path.Dir(root)
	}
	for _, name := range []string{".venv/bin/python", "venv/bin/python"} {
		if _, err := e.host.stat(path.Join(root, name)); err == nil {
			return path.Join(root, name)
		}
	}
	return ""
}

// searchPath is where the app's programs are looked for.
func (e *exam) searchPath() string {
	if e.config.Env["PATH"] != "" {
		return e.config.Env["PATH"]
	}
	if e.config.EnvFile != "" {
		if env, err := config.ReadEnvFile(e.host.path(e.config.EnvFile)); err == nil && env["PATH"] != "" {
			return env["PATH"]
		}
	}
	search := servicePath
	var environ []string
	switch {
	case e.Unit != nil:
		environ = e.Unit.Service.Environment
	case e.Status != nil:
		if text, err := e.host.read(fmt.Sprintf("/proc/%d/environ", e.Status.PID)); err == nil {
			environ = strings.Split(text, "\x00")
		}
	}
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			search = value
		}
	}
	return search
}

// find finds a program as the app's user would. "" means that it was said why not.
func (e *exam) find(check, name string) string {
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join(e.config.Workdir, name)
		}
		return e.readable(check, name, mayExecute)
	}
	search := e.searchPath()
	var first *obstacle
	for dir := range strings.SplitSeq(search, ":") {
		if !path.IsAbs(dir) {
			continue
		}
		file := path.Join(dir, name)
		real, o := e.reach(file, mayExecute)
		if o == nil {
			if e.hidden(check, real) {
				return ""
			}
			return real
		}
		if !o.missing && first == nil {
			first = o
		}
	}
	if first != nil {
		e.blocked(check, name, first)
		return ""
	}
	next := fmt.Sprintf("install it, or write its whole path into %s", e.File)
	e.add(check, Problem, next, "there is no program %s in %s", name, search)
	return ""
}

// runnable looks at whether the kernel can execute a file.
func (e *exam) runnable(file string) bool {
	info, err := e.host.stat(file)
	switch {
	case err == nil && info.IsDir():
		e.add(checkCommand, Problem, "name a program in "+e.File, "%s is a folder", file)
		return false
	case e.host.NoExec(e.host.path(file)):
		e.add(checkCommand, Problem, "move it, or mount that file system without noexec", "%s is on a file system whose programs may not be executed (noexec)", file)
		return false
	}
	head, err := e.head(file)
	if err != nil {
		if e.host.UID != 0 {
			e.add(checkCommand, Unseen, "call ripctl as root", "%s: %s", file, why(err))
			return false
		}
		return true
	}
	if bytes.HasPrefix(head, []byte("\x7fELF")) {
		return true
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	words := strings.Fields(strings.TrimPrefix(string(line), "#!"))
	if !bytes.HasPrefix(line, []byte("#!")) || len(words) == 0 {
		e.add(checkCommand, Problem, "give a script a first line such as #!/bin/sh", "%s is neither a program of this machine nor a script", file)
		return false
	}
	if bytes.HasSuffix(line, []byte("\r")) {
		e.add(checkCommand, Problem, "end its lines as Unix does: sed -i 's/\\r$//' "+file, "the first line of %s ends with a carriage return", file)
		return false
	}
	return e.interpreter(file, words)
}

// interpreter looks at what a script's first line names.
func (e *exam) interpreter(file string, words []string) bool {
	program := words[0]
	if _, o := e.reach(program, mayExecute); o != nil {
		e.add(checkCommand, Problem, "install it, or change the first line", "the first line of %s names %s, and that %s", file, program, strings.TrimPrefix(o.path+" ", program+" ")+o.problem)
		return false
	}
	if base(program) == "env" {
		for _, word := range words[1:] {
			if !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") {
				return e.find(checkCommand, word) != ""
			}
		}
	}
	return true
}

// head reads the beginning of a file.
func (e *exam) head(file string) ([]byte, error) {
	f, err := os.Open(e.host.path(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, firstLine))
}
