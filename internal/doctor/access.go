package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	checkUser = "user"
	// serviceUser runs the apps whose file names nobody.
	serviceUser = "ripd"
)

// account is who runs the app.
type account struct {
	name   string
	uid    int
	groups []int
	// root is true for a user who may do everything. The service's root may not:
	// its capabilities are taken away.
	root bool
}

// account finds out who runs the app.
func (e *exam) account() {
	name := ""
	switch {
	case e.Unit != nil && e.Unit.Service.Load == "loaded":
		name = cmp.Or(e.Unit.Service.User, "root")
	case e.systemd() && e.config != nil:
		name = cmp.Or(e.config.User, serviceUser)
	case e.Status != nil:
		e.process()
		return
	default:
		return
	}
	uid, groups, err := e.host.Account(name)
	if err != nil {
		next := fmt.Sprintf("make it (useradd --system %s), or change user in %s", name, e.File)
		e.add(checkUser, Problem, next, "there is no user %s", name)
		return
	}
	e.user = &account{name: name, uid: uid, groups: groups}
	e.add(checkUser, Good, "", "%s (%d)", name, uid)
}

// process takes the user of the running ripd.
func (e *exam) process() {
	text, err := e.host.read("/proc/" + strconv.Itoa(e.Status.PID) + "/status")
	if err != nil {
		e.add(checkUser, Unseen, "", "process %d: %s", e.Status.PID, why(err))
		return
	}
	a := account{uid: -1}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch {
		case key == "Uid" && len(fields) > 1:
			a.uid, _ = strconv.Atoi(fields[1])
		case (key == "Gid" && len(fields) > 1):
			gid, _ := strconv.Atoi(fields[1])
			a.groups = append(a.groups, gid)
		case key == "Groups":
			for _, f := range fields {
				gid, _ := strconv.Atoi(f)
				a.groups = append(a.groups, gid)
			}
		}
	}
	a.name, a.root = "user "+strconv.Itoa(a.uid), a.uid == 0
	e.user = &a
	e.add(checkUser, Good, "", "%s", a.name)
}

// Permission bits, as in the lowest three of a mode.
const (
	mayRead    = 4
	mayWrite   = 2
	mayExecute = 1
)

// obstacle is what keeps a user from a file.
type obstacle struct {
	path    string // the part of the path at which it ends
	problem string
	next    string
	missing bool // there is no such file
	unseen  bool // this program may not look there
}

// linksMost bounds the symbolic links of one path, as the kernel does (path_resolution(7)).
const linksMost = 40

// reach walks along a path as the user would. It gives the path without symbolic
// links, or what is in the way.
func (e *exam) reach(file string, want uint32) (string, *obstacle) {
	at, rest := "/", parts(path.Clean(file))
	for links := 0; len(rest) > 0; {
		if o := e.allowed(at, mayExecute); o != nil {
			return "", o
		}
		next := path.Join(at, rest[0]) // also of ".."
		rest = rest[1:]
		info, err := e.host.lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", &obstacle{path: next, problem: "is not there", missing: true}
		case err != nil:
			return "", &obstacle{path: next, problem: why(err), unseen: true}
		case info.Mode()&fs.ModeSymlink == 0:
			at = next
			continue
		}
		to, err := os.Readlink(e.host.path(next))
		if links++; err != nil || links > linksMost {
			return "", &obstacle{path: next, problem: "is a link that leads nowhere"}
		}
		if path.IsAbs(to) {
			at = "/"
		}
		rest = append(parts(to), rest...)
	}
	return at, e.allowed(at, want)
}

// parts splits a path at its slashes.
func parts(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(part string) bool { return part == "" })
}

// allowed tells what keeps the user from one file, by its owner and mode.
func (e *exam) allowed(file string, want uint32) *obstacle {
	info, err := e.host.stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &obstacle{path: file, problem: "is not there", missing: true}
	case err != nil:
		return &obstacle{path: file, problem: why(err), unseen: true}
	}
	mode := uint32(info.Mode().Perm())
	if e.user.root && (want != mayExecute || info.IsDir() || mode&0o111 != 0) {
		return nil
	}
	uid, gid := owner(info)
	bits, who, chmod := mode, "other users", "o"
	switch {
	case uid == e.user.uid:
		bits, who, chmod = mode>>6, "its owner", "u"
	case slices.Contains(e.user.groups, gid):
		bits, who, chmod = mode>>3, "its group", "g"
	}
	if bits&want == want || e.host.lists(file) {
		return nil
	}
	verb, letter := "read", "r"
	switch {
	case want == mayExecute && info.IsDir():
		verb, letter = "enter", "x"
	case want == mayExecute:
		verb, letter = "execute", "x"
	case want == mayWrite:
		verb, letter = "write to", "w"
	case want&mayExecute != 0:
		verb, letter = "read", "rx"
	}
	return &obstacle{
		path: file, problem: fmt.Sprintf("may not be used by %s: its mode %04o lets %s not %s it", e.user.name, mode, who, verb),
		next: fmt.Sprintf("chmod %s+%s %s, or give it to the user or the group of %s", chmod, letter, file, e.user.name),
	}
}
