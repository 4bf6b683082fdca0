package config

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// format writes a parsed value as the file does, so that it can be read back.
func (s *setting) format(value any) string {
	switch v := value.(type) {
	case string:
		return quote(v)
	case Ready:
		return quote(string(v))
	case Mode:
		return quote(string(v))
	case Access:
		return quote(string(v))
	case AccessTo:
		return quote(string(v))
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return quote(FormatSize(v))
	case time.Duration:
		return quote(FormatDuration(v))
	case slog.Level:
		return quote(strings.ToLower(v.String()))
	case counted:
		if v.auto {
			return quote("auto")
		}
		return strconv.Itoa(v.n)
	case []string:
		return "[" + quoteAll(v) + "]"
	case Paths:
		return v.format()
	case []Address:
		return formatList(v)
	case Rate:
		return quote(v.String())
	case Peers:
		return v.format()
	case map[string]string:
		return formatHidden(v)
	case Accel:
		return v.format()
	case EnvCredentials:
		return v.format()
	}
	return ""
}

func formatList[T fmt.Stringer](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.String()
	}
	return "[" + quoteAll(texts) + "]"
}

// formatHidden writes a table of variables without their values, which may be secrets.
func formatHidden(env map[string]string) string {
	if len(env) == 0 {
		return "{}"
	}
	names := slices.Sorted(maps.Keys(env))
	for i, n := range names {
		names[i] = n + "=…"
	}
	return "{ " + strings.Join(names, ", ") + " }"
}

// current reads the value that is in force out of a configuration.
func (s *setting) current(c *Config) any {
	switch p := s.field(c).(type) {
	case *string:
		return *p
	case *bool:
		return *p
	case *int:
		return *p
	case *int64:
		return *p
	case *time.Duration:
		return *p
	case *[]string:
		return *p
	case *Paths:
		return *p
	case *[]Address:
		return *p
	case *Rate:
		return *p
	case *Peers:
		return *p
	case *map[string]string:
		return *p
	case *Accel:
		return *p
	case *EnvCredentials:
		return *p
	case *count:
		return counted{n: *p.n, auto: *p.auto}
	case *Ready:
		return *p
	case *Mode:
		return *p
	case *Access:
		return *p
	case *AccessTo:
		return *p
	case *slog.Level:
		return *p
	}
	return nil
}
