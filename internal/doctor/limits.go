package doctor

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	checkBacklog     = "backlog"
	checkDescriptors = "descriptors"
	checkControllers = "controllers"
	checkRuntime     = "runtime"

	// backlogLeast is the backlog below which a short peak is lost while ripd restarts.
	backlogLeast = 1024
	// ownDescriptors is what ripd has open beside connections: sockets, logs, timers.
	ownDescriptors = 128
	// workerDescriptors is what a worker costs ripd: its output, its socket, its leases.
	workerDescriptors = 8
)

// backlog compares what the sockets ask for with what the kernel gives.
func (e *exam) backlog() {
	const setting = "net.core.somaxconn"
	most := e.host.number("/proc/sys/net/core/somaxconn")
	if most == 0 {
		e.add(checkBacklog, Unseen, "", "%s cannot be read", setting)
		return
	}
	want := backlogLeast
	if e.Unit != nil {
		for i := range e.Unit.Sockets {
			if s := &e.Unit.Sockets[i]; !s.Control() && s.Backlog < 1<<31 { // which stands for as many as the kernel gives
				want = max(want, int(s.Backlog))
			}
		}
	}
	if most < want {
		next := fmt.Sprintf("write %s = %d into /etc/sysctl.d/ripd.conf, then: sysctl --system, and restart the socket", setting, want)
		e.add(checkBacklog, Warning, next, "%d clients may wait in the kernel (%s), and %d are asked for", most, setting, want)
	}
	e.good(checkBacklog, "%d clients may wait in the kernel", min(most, max(want, backlogLeast)))
}

// descriptors compares the limit of open files with limits.connections.
func (e *exam) descriptors() {
	if e.config == nil {
		return
	}
	limit := uint64(0)
	switch {
	case e.Unit != nil:
		limit = e.Unit.Service.Descriptors
	case e.Status != nil:
		limit = e.hardLimit(e.Status.PID)
	}
	if limit == 0 {
		e.add(checkDescriptors, Unseen, "", "the limit of open files is not known")
		return
	}
	c := e.config
	need := uint64(c.Limits.Connections + ownDescriptors + c.Workers.Count*(workerDescriptors+c.Workers.Concurrency))
	next := fmt.Sprintf("lower limits.connections in %s, or: systemctl edit ripd@%s, with the lines [Service] and LimitNOFILE=%d", e.File, e.Name, 2*need)
	if e.Unit == nil {
		next = fmt.Sprintf("lower limits.connections, or raise the limit: ulimit -n %d", 2*need)
	}
	switch {
	case limit < need:
		e.add(checkDescriptors, Problem, next, "ripd may open %d files, and limits.connections = %d needs %d", limit, c.Limits.Connections, need)
	case limit < need+uint64(c.Limits.Connections):
		e.add(checkDescriptors, Warning, next, "ripd may open %d files: limits.connections = %d leaves no temporary file for each of them", limit, c.Limits.Connections)
	}
	e.good(checkDescriptors, "ripd may open %d files, for %d connections", limit, c.Limits.Connections)
}

// hardLimit reads the bound of a process's open files.
func (e *exam) hardLimit(pid int) uint64 {
	text, err := e.host.read("/proc/" + strconv.Itoa(pid) + "/limits")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) > 1 {
				if f[1] == "unlimited" {
					return 1 << 62
				}
				n, _ := strconv.ParseUint(f[1], 10, 64)
				return n
			}
		}
	}
	return 0
}

// wanted are the controllers that the workers' control groups need.
var wanted = []string{"memory", "cpu", "pids"}

// controllers looks at what systemd has delegated.
func (e *exam) controllers() {
	if e.Unit == nil || e.Unit.Service.Group == "" {
		return
	}
	text, err := e.host.read(path.Join("/sys/fs/cgroup", e.Unit.Service.Group, "cgroup.controllers"))
	if err != nil {
		e.add(checkControllers, Unseen, "", "the service's control group: %s", why(err))
		return
	}
	there := strings.Fields(text)
	var missing []string
	for _, c := range wanted {
		if !slices.Contains(there, c) {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		next := "boot with version 2 of the control groups (systemd.unified_cgroup_hierarchy=1), and with these controllers"
		e.add(checkControllers, Warning, next, "the controllers %s are not there: figures of workers are from /proc, and hard limits of a worker do not hold", strings.Join(missing, ", "))
		return
	}
	e.good(checkControllers, "%s are delegated", strings.Join(wanted, ", "))
}

// runtime looks at the folder of the workers' sockets.
func (e *exam) runtime() {
	if e.Unit == nil || !e.runs() || e.user == nil {
		return
	}
	dir := "/run/ripd/" + e.Name
	info, err := e.host.stat(dir)
	if err != nil {
		e.add(checkRuntime, Problem, "systemctl restart ripd@"+e.Name, "%s: %s", dir, why(err))
		return
	}
	if uid, _ := owner(info); uid != e.user.uid {
		e.add(checkRuntime, Problem, "systemctl restart ripd@"+e.Name, "%s belongs to user %d, and the service runs as %s", dir, uid, e.user.name)
	}
	e.good(checkRuntime, "%s", dir)
}
