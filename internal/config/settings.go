package config

import "strings"

// kind is how a setting's value is written and read.
type kind uint8

const (
	kindText kind = iota
	kindPath
	kindPaths // one path, or a list of them
	kindTexts // a list of strings
	kindAccel // a table of paths and folders
	kindBool
	kindInt
	kindCount // a number, or "auto"
	kindSize
	kindDuration
	kindRate
	kindChoice
	kindAddresses
	kindPeers
	kindCommand
	kindEnv
	kindCredentials
	kindEnvCredentials
	kindCodings
	kindTypes
	kindHosts // DNS names
)

// setting is one row of the table: all that is known about one key.
type setting struct {
	key  string // as in the file: section.key
	def  string // the default, written as in the file
	kind kind
	// min and max bound numbers, sizes in bytes and durations in nanoseconds,
	// both included. zero says what 0 means where it is allowed below min.
	min, max int64
	zero     string
	options  []string // of kindChoice
	sample   string   // a good value, written as in the file; "" takes def
	noVar    bool     // has no RIP_* variable
	word     string   // "w" for w:4
	flags    []flag
	field    func(*Config) any // where the value goes
	doc      string            // for the reference: Markdown, whole sentences
}

// flag is one flag that sets a setting.
type flag struct {
	name string // with its dashes
	arg  string // what the value is called in the help; "" takes none
	sets string // the value of a flag without argument
	unit string // appended to the value, as "ms"
	help string // one line for --help
}

// variable is the setting's name in the environment, "" when it has none.
func (s *setting) variable() string {
	if s.noVar {
		return ""
	}
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// section is the part of the key before the dot, "" at the top.
func (s *setting) section() string {
	section, _, nested := strings.Cut(s.key, ".")
	if !nested {
		return ""
	}
	return section
}

// leaf is the part of the key after the dot.
func (s *setting) leaf() string { return s.key[strings.LastIndexByte(s.key, '.')+1:] }

// good is a value that shows how the setting is written in the file.
func (s *setting) good() string {
	if s.sample != "" {
		return s.sample
	}
	return s.def
}

// settingOf finds a setting by its key.
func settingOf(key string) *setting {
	for i := range settings {
		if settings[i].key == key {
			return &settings[i]
		}
	}
	return nil
}

// settingOfWord finds a setting by its word, without the colon.
func settingOfWord(word string) *setting {
	for i := range settings {
		if word != "" && settings[i].word == word {
			return &settings[i]
		}
	}
	return nil
}

// settingOfFlag finds a setting by one of its flags, with the dashes.
func settingOfFlag(name string) (*setting, *flag) {
	for i := range settings {
		for j := range settings[i].flags {
			if settings[i].flags[j].name == name {
				return &settings[i], &settings[i].flags[j]
			}
		}
	}
	return nil, nil
}

// sections gives the names of the file's tables, in the table's order.
func sections() []string {
	var names []string
	for i := range settings {
		name := settings[i].section()
		if name != "" && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	return names
}

// freeTables are the settings whose value is a table with keys that the user
// chooses.
var freeTables = []string{"env", "env_credentials", "static.accel"}

// tables gives the names of all tables that a file can have.
func tables() []string { return append(sections(), freeTables...) }

// defaultFile is a TOML file that says what holds without any file.
func defaultFile() string {
	var b strings.Builder
	section := ""
	for i := range settings {
		s := &settings[i]
		if s.section() != section {
			section = s.section()
			b.WriteString("\n[" + section + "]\n")
		}
		b.WriteString(s.leaf() + " = " + s.def + "\n")
	}
	return b.String()
}
