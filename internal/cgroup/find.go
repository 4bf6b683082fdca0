package cgroup

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// ErrVersion is the error of Open where control groups of version 2 are not
// there.
var ErrVersion = errors.New("control groups of version 2 are not mounted here")

// ErrDelegated is the error of Open where the groups are somebody else's.
var ErrDelegated = errors.New("no control group was delegated to ripd: it is no service of systemd's with Delegate=")

// unitSuffix ends the groups of services. What is delegated to anything else, as
// to a container, is shared with programs that ripd knows nothing of.
const unitSuffix = ".service"

// find finds the delegated group, and gives the one that this process is in: that
// one, or one just below.
func (t *Tree) find() (own string, err error) {
	text, err := t.files.Read(t.proc + "/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("ripd's own control group: %w", err)
	}
	own, found := groupOf(text)
	if !found {
		return "", ErrVersion
	}
	text, err = t.files.Read(t.proc + "/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("the mounts of control groups: %w", err)
	}
	for _, candidate := range []string{own, path.Dir(own)} {
		dir, found := place(text, candidate)
		if found && strings.HasSuffix(candidate, unitSuffix) && t.files.Delegated(dir) {
			t.dir, t.path = dir, candidate
			return own, nil
		}
	}
	if _, found := place(text, own); !found {
		return "", ErrVersion
	}
	return "", ErrDelegated
}

// groupOf takes the group of version 2 out of /proc/PID/cgroup.
func groupOf(text string) (group string, found bool) {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); found && path.IsAbs(rest) {
			// A group that was removed while a process is in it.
			return path.Clean(strings.TrimSuffix(rest, " (deleted)")), true
		}
	}
	return "", false
}

// place gives the folder of a group, by a mount that shows it. text is
// /proc/self/mountinfo, proc_pid_mountinfo(5).
func place(text, group string) (dir string, found bool) {
	for line := range strings.Lines(text) {
		before, after, _ := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		const root, point = 3, 4
		if len(fields) <= point || len(kind) == 0 || kind[0] != "cgroup2" {
			continue
		}
		top := unescape(fields[root])
		if rest, inside := below(top, group); inside {
			return path.Join(unescape(fields[point]), rest), true
		}
	}
	return "", false
}

// below gives the path of a group relative to one above it, or to itself.
func below(top, group string) (rest string, inside bool) {
	if top == "/" || group == top {
		return strings.TrimPrefix(group, top), true
	}
	return strings.CutPrefix(group, top+"/")
}

// unescape undoes what the kernel does to blanks in mountinfo.
func unescape(text string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(text)
}
