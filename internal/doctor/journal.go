package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	checkJournal = "journal"

	// droppedMessage is systemd's id of "messages suppressed".
	droppedMessage = "a596d6fe7bfa4994828e72309e95d61e"
	// freeLeast is how much has to be free on the journal's file system. journald itself
	// keeps more free; below this, lines are lost.
	freeLeast = 100 << 20
)

// journal looks at whether lines of the app are kept.
func (e *exam) journal(ctx context.Context) {
	if e.Unit.Service.Load != "loaded" {
		return
	}
	where := e.storage()
	s := &e.Unit.Service
	if s.LogBurst > 0 && s.LogInterval > 0 {
		where += fmt.Sprintf("; of more than %d lines in %s, the rest is dropped", s.LogBurst, s.LogInterval.Round(time.Second))
	}
	out, err := e.query(ctx, "--boot", "--output=cat", "--lines=1", "MESSAGE_ID="+droppedMessage, "--grep="+s.Name)
	switch {
	case errors.Is(err, errJournal):
		e.add(checkJournal, Unseen, "call ripctl as root, or become a member of the group systemd-journal", "whether it has dropped lines: it is closed to you")
	case err == nil && strings.TrimSpace(out) != "":
		next := fmt.Sprintf("have the app say less; or: systemctl edit ripd@%s, with the lines [Service] and LogRateLimitIntervalSec=0", e.Name)
		e.add(checkJournal, Warning, next, "the journal has dropped lines of it: %s", strings.TrimSpace(out))
	}
	e.good(checkJournal, "%s", where)
}

// storage says where the journal is, and whether there is room.
func (e *exam) storage() string {
	switch mode := e.setting("Storage"); {
	case mode == "none":
		e.add(checkJournal, Warning, "write Storage=persistent into /etc/systemd/journald.conf", "the journal keeps nothing (Storage=none)")
		return ""
	case mode == "volatile" || !e.exists("/var/log/journal"):
		next := "write Storage=persistent into /etc/systemd/journald.conf, then: systemctl restart systemd-journald"
		e.add(checkJournal, Warning, next, "the journal is in memory: its lines end with the machine's run")
		return ""
	}
	const dir = "/var/log/journal"
	text := dir
	if used := e.used(dir); used > 0 {
		text += fmt.Sprintf(", %d MB", used>>20)
	}
	if free, err := e.host.Free(e.host.path(dir)); err == nil && free < freeLeast {
		e.add(checkJournal, Warning, "journalctl --vacuum-size=100M, or more room", "only %d MB are free where the journal is (%s)", free>>20, dir)
	}
	return text
}

func (e *exam) exists(path string) bool {
	_, err := e.host.stat(path)
	return err == nil
}

// used adds up the journal's files, as far as they can be seen.
func (e *exam) used(dir string) (bytes int64) {
	_ = filepath.WalkDir(e.host.path(dir), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be seen is not counted
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

// setting reads one key of journald.conf(5); the last file that has it wins.
func (e *exam) setting(key string) (value string) {
	files := []string{"/usr/lib/systemd/journald.conf", "/etc/systemd/journald.conf"}
	for _, dir := range []string{"/usr/lib", "/run", "/etc"} {
		more, _ := filepath.Glob(e.host.path(dir + "/systemd/journald.conf.d/*.conf"))
		for _, file := range more {
			files = append(files, strings.TrimPrefix(file, e.host.Root))
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(e.host.path(file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
				value = strings.TrimSpace(v)
			}
		}
	}
	return value
}
