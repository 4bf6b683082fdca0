package config

import "errors"

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

// Action is what a command line asks ripd to do.
type Action string

// The actions. ActionRun is the default.
const (
	ActionRun     Action = "run"
	ActionCheck   Action = "check"
	ActionVersion Action = "version"
	ActionHelp    Action = "help"
)

// ParseAction tells what the arguments (without the program's name) ask for:
// --help, --version or --check, in this order of importance, else to run. It
// reports no errors; Load does.
func ParseAction(args []string) Action { return ActionRun }

// Load reads all sources, checks them and gives the settings in force. Its error
// joins one *Error for each thing that is wrong.
func Load(in Input) (*Config, error) { return nil, errors.New("not written yet") }

// LoadFile reads one file and says what it means by itself, without environment
// and words.
func LoadFile(path string) (*Config, error) { return Load(Input{Args: []string{"--config", path}}) }

// CPUs tells how many CPUs this process may use, and why.
func CPUs() (n int, why string) { return 1, "" }

// ReadEnvFile reads a file of KEY=value lines.
func ReadEnvFile(path string) (map[string]string, error) { return nil, nil }

// Setting is one setting as it is in force.
type Setting struct {
	// Key is the setting's key, as queue.size.
	Key string
	// Value is written as in the TOML file.
	Value string
	// Origin is who set it: default, /path/ripd.toml:12, RIP_QUEUE_SIZE or w:4.
	Origin string
}

// Explain gives each setting with its value and origin, in the order of the
// reference. Values in env are hidden.
func (c *Config) Explain() []Setting { return c.settings }

// Summary is Explain and Notes as an aligned table, for people.
func (c *Config) Summary() string { return "" }

// Help is the text of ripd --help: words, flags, examples; 80 columns.
func Help() string { return "" }

// Limits of names, so that the path of a socket, which Linux limits to 107
// bytes (unix(7)), fits: /run/ripd/<name>/rip_<variant>_<name>.1024.sock.
const (
	MaxNameBytes    = 32
	MaxVariantBytes = 16
	MaxPrefixBytes  = len("rip_") + MaxVariantBytes + len("_") + MaxNameBytes
	MaxWorkers      = 1024
)
