package generator

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/config"
)

// Bounds of what is read.
const (
	// MaxApps is how many files are read, in the order of their names.
	MaxApps = 256
	// maxNames is how many names the folder may have at all.
	maxNames = 4096
	// budget is how long reading may take. A file that comes later is left out:
	// systemd waits.
	budget = 5 * time.Second
)

// readAll reads the apps' files, in the order of their names.
func readAll(o Options, warn func(string)) []*config.Units {
	names, err := namesIn(o.Files)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			warn(fmt.Sprintf("%s: %v", o.Files, err))
		}
		return nil
	}
	began := time.Now()
	var apps []*config.Units
	for i, name := range names {
		if i == MaxApps || time.Since(began) > budget {
			warn(fmt.Sprintf("%s has too many or too large files: %d were not read, from %s on", o.Files, len(names)-i, name))
			break
		}
		if app := readOne(filepath.Join(o.Files, name), o.Owner, warn); app != nil {
			apps = append(apps, app)
		}
	}
	return apps
}

// namesIn gives the names of the apps' files, sorted.
func namesIn(dir string) ([]string, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NONBLOCK|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	all, err := f.Readdirnames(maxNames)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, reason(err)
	}
	return appFiles(all), nil
}

// appFiles keeps the names of apps' files, sorted. What editors leave behind
// (names with a dot in front) is passed over.
func appFiles(all []string) []string {
	var names []string
	for _, name := range all {
		if strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// readOne reads one app's file; nil when nothing may be made of it.
func readOne(path string, owner int, warn func(string)) *config.Units {
	data, err := readFile(path, owner)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a link that leads nowhere, or a file that has just gone
	}
	if err != nil {
		warn(fmt.Sprintf("%s is not used: %v", path, err))
		return nil
	}
	app, err := config.ReadUnits(path, data)
	problems := config.Problems(err)
	if len(problems) > 0 {
		text := problems[0].Error()
		if more := len(problems) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
		warn(text)
	}
	if app == nil {
		return nil // the file's name is no app's
	}
	keepUsable(app, warn)
	return app
}

// readFile reads a regular file that only root (or owner) can have written: who
// writes it decides which user a service has, and which sockets root opens.
func readFile(path string, owner int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0) // a FIFO must not hold up the boot
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, reason(err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case !ok || st.Uid != 0 && int(st.Uid) != owner:
		return nil, errors.New("it does not belong to root")
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("others than root may write it (mode %04o); chmod go-w", info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, config.MaxFileBytes+1))
	if err == nil && int64(len(data)) > config.MaxFileBytes {
		err = fmt.Errorf("it has more than %s", config.FormatSize(config.MaxFileBytes))
	}
	return data, err
}

// keepUsable leaves out the addresses that a unit cannot have.
func keepUsable(app *config.Units, warn func(string)) {
	app.HTTP = usable(app.HTTP, app.HTTPOrigin+": listen.http", warn)
	app.HTTPS = usable(app.HTTPS, app.HTTPSOrigin+": listen.https", warn)
	app.Metrics = usable(app.Metrics, app.MetricsOrigin+": listen.metrics", warn)
}

func usable(addresses []config.Address, where string, warn func(string)) (list []config.Address) {
	for _, a := range addresses {
		switch {
		case a.Network == "tcp" && a.Port == 0:
			warn(where + ": systemd opens no port 0; name a port")
		case strings.ContainsFunc(a.Path, unsafe) || strings.TrimSpace(a.Path) != a.Path:
			warn(where + ": the socket's path has characters that a unit cannot have")
		default:
			list = append(list, a)
		}
	}
	return list
}

// unsafe tells which characters could end a unit's line, or join it to the next.
func unsafe(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == 0xfffd }

// reason is an error without the path, which is said already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
