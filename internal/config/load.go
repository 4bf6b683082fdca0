package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// SystemDir is where the files of the apps under systemd are: shop.toml for
// ripd@shop.
const SystemDir = "/etc/ripd"

// FileName is the configuration's name inside an app's folder.
const FileName = "ripd.toml"

// Input is what Load reads. The zero value means no arguments and no
// environment.
type Input struct {
	// Args are the command line's words and flags, without the program's name.
	Args []string
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	// Dir is the folder that relative paths in Args and Environ start from;
	// "" is the current one.
	Dir string
	// CPUs tells how many CPUs this process may use, and why. Nil is CPUs.
	CPUs func() (n int, why string)
}

// Load reads all sources, checks them and gives the settings in force. Its error
// joins one *Error for each thing that is wrong; see Problems.
func Load(in Input) (*Config, error) {
	l := &loader{in: in, cfg: &Config{}, places: map[string]place{}, portless: map[string]bool{}}
	if l.in.CPUs == nil {
		l.in.CPUs = CPUs
	}
	dir, err := filepath.Abs(in.Dir)
	if err != nil {
		return nil, fmt.Errorf("the current folder: %w", err)
	}
	l.dir = dir
	l.readFile(&document{data: []byte(defaultFile())})
	clear(l.places)

	line := l.parseArgs(in.Args)
	l.cfg.Name = line.instance
	l.cfg.Foreground = line.instance == ""
	if l.findTarget(&line) && l.loadFile() {
		l.readEnviron()
		if l.override != nil {
			l.override()
		}
		l.readWords(&line)
		if !l.broken {
			l.finish()
		}
	}
	if len(l.errs) > 0 {
		return nil, l.err()
	}
	l.explain()
	return l.cfg, nil
}

// LoadFile reads one file and says what it means by itself, without environment
// and words. A file NAME.toml in SystemDir is read as --instance=NAME would.
func LoadFile(path string) (*Config, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("the current folder: %w", err)
	}
	args := []string{"--config=" + abs}
	if filepath.Dir(abs) == SystemDir {
		args = append(args, "--instance="+strings.TrimSuffix(filepath.Base(abs), ".toml"))
	}
	return looked(Load(Input{Args: args}))
}

// looked adds what is worth to know of settings that are looked at, and not served.
func looked(c *Config, err error) (*Config, error) {
	if err != nil {
		return nil, err
	}
	if note := c.noteOfCertificate(); note != "" {
		c.notes = append(c.notes, note)
	}
	return c, nil
}

// loader collects settings, where they came from, and what is wrong.
type loader struct {
	in    Input
	dir   string // in.Dir, absolute
	cfg   *Config
	errs  []*Error
	more  int // errors beyond MaxErrors
	notes []string
	// places tells who set a key; a key that is not there has its default.
	places map[string]place
	// portless tells that the last word for a key (listen.http) had no port, which
	// chooses none.
	portless map[string]bool
	broken   bool // the file could not be read to its end
	// override makes what the command line or RIP_APP names the app, whatever
	// the file says; nil when they name none.
	override func()
}

// place is where a value was given. The zero value is the built-in default.
type place struct {
	file         string
	line, column int
	origin       string // a variable, a word or a flag
	sample       string // how a good value is written there
	at           func(offset int) place
}

// String is the origin that Explain shows.
func (p place) String() string {
	switch {
	case p.file != "" && p.line > 0:
		return p.file + ":" + strconv.Itoa(p.line)
	case p.file != "":
		return p.file
	case p.origin != "":
		return p.origin
	}
	return "default"
}

// set applies one value to one setting.
func (l *loader) set(s *setting, r raw, p place, base string) {
	value, f := s.parse(r, base)
	if f != nil {
		if f.hint == "" && p.sample != "" {
			f.hint = "as in " + p.sample
		}
		if f.at >= 0 && p.at != nil {
			p = p.at(f.at)
		}
		l.fail(p, s.key, f)
		return
	}
	assign(s.field(l.cfg), value)
	l.places[s.key] = p
}

// fail notes one thing that is wrong.
func (l *loader) fail(p place, key string, f *fault) {
	if l.full() {
		l.more++
		return
	}
	l.errs = append(l.errs, &Error{
		File: p.file, Line: p.line, Column: p.column, Origin: p.origin,
		Key: key, Problem: f.problem, Hint: f.hint,
	})
}

// full tells that no more errors are kept, only counted.
func (l *loader) full() bool { return len(l.errs) >= MaxErrors }

// failKey notes that the value in force of a key is wrong.
func (l *loader) failKey(key string, f *fault) { l.fail(l.places[key], key, f) }

// failed tells whether something was wrong with one of the keys.
func (l *loader) failed(keys ...string) bool {
	for _, e := range l.errs {
		for _, k := range keys {
			if e.Key == k {
				return true
			}
		}
	}
	return false
}

func (l *loader) err() error {
	if l.more > 0 {
		l.errs = append(l.errs, &Error{File: l.cfg.File, Problem: fmt.Sprintf("and %d more", l.more)})
	}
	all := make([]error, len(l.errs))
	for i, e := range l.errs {
		all[i] = e
	}
	return errors.Join(all...)
}

func (l *loader) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// loadFile reads the TOML file in force, if there is one. It is false when the
// file cannot be read.
func (l *loader) loadFile() bool {
	if l.cfg.File == "" {
		return true
	}
	d := &document{path: l.cfg.File, dir: filepath.Dir(l.cfg.File)}
	data, err := readBounded(d.path, MaxFileBytes)
	if err != nil {
		f := faultf("%s", reason(err))
		if os.IsNotExist(err) {
			if near := nearestFile(d.path); near != "" {
				f.hinted("did you mean %s?", near)
			}
		}
		l.fail(place{file: d.path}, "", f)
		return false
	}
	d.data = data
	l.readFile(d)
	return true
}

// reason is an error without the path that is said already.
func reason(err error) string {
	var p *os.PathError
	switch {
	case os.IsNotExist(err):
		return "there is no such file"
	case os.IsPermission(err):
		return "it may not be read by this user"
	case errors.As(err, &p):
		return p.Err.Error()
	}
	return err.Error()
}
