package doctor

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"ripd/internal/config"
)

const checkFile = "file"

// settings looks at the file, and reads it as ripd would.
func (e *exam) settings() {
	if e.File == "" {
		if e.systemd() {
			e.add(checkFile, Problem, "write /etc/ripd/"+e.Name+".toml; an example is in /usr/share/doc/ripd/examples", "there is no settings file")
		}
		return
	}
	info, err := os.Stat(e.host.path(e.File))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.add(checkFile, Problem, "write it; an example is in /usr/share/doc/ripd/examples", "there is no file %s", e.File)
		return
	case err != nil:
		e.add(checkFile, Unseen, "call ripctl as root", "%s: %s", e.File, why(err))
		return
	}
	if e.systemd() {
		e.trusted(info)
	}
	args := []string{"--config=" + e.host.path(e.File)}
	var environ []string
	if e.systemd() {
		args = append(args, "--instance="+e.Name)
	}
	if e.Unit != nil {
		environ = e.Unit.Service.Environment
	}
	c, err := config.Load(config.Input{Args: args, Environ: environ})
	if err != nil {
		e.invalid(err)
		return
	}
	e.config = c
	e.good(checkFile, "%s is valid", e.File)
}

// invalid says what is wrong with the settings. What this user may not read, another
// one may.
func (e *exam) invalid(err error) {
	words := strings.Split(strings.ReplaceAll(err.Error(), e.host.Root+"/", "/"), "\n")
	if e.host.Root == "" {
		words = strings.Split(err.Error(), "\n")
	}
	if e.host.UID != 0 && strings.Contains(err.Error(), "may not be read by this user") {
		e.add(checkFile, Unseen, "call ripctl as root", "%s can be read in part only", e.File).Words = words
		return
	}
	e.add(checkFile, Problem, "mend the file; \"ripctl config check "+e.File+"\" reads it again", "ripd cannot start with %s", e.File).Words = words
}

// trusted looks at who may write the file: the generator takes orders from root alone.
func (e *exam) trusted(info fs.FileInfo) {
	uid, _ := owner(info)
	switch {
	case !info.Mode().IsRegular():
		e.add(checkFile, Problem, "put a regular file there", "%s is not a regular file, so the generator passes it over", e.File)
	case uid != 0 && uid != e.host.UID:
		e.add(checkFile, Problem, "chown root "+e.File, "%s belongs to user %d, so the generator passes it over", e.File, uid)
	case info.Mode().Perm()&0o022 != 0:
		e.add(checkFile, Problem, "chmod go-w "+e.File, "others than root may write %s, so the generator passes it over", e.File)
	case info.Size() > 128<<10:
		e.add(checkFile, Problem, "shorten it", "%s has more than 128 KB, so the generator passes it over", e.File)
	}
}
