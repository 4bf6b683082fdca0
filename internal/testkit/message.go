package testkit

import "fmt"

// waitedFor turns an optional message (format and arguments) into the end of
// a failure's line.
func waitedFor(message []any) string {
	if len(message) == 0 {
		return ""
	}
	if format, ok := message[0].(string); ok {
		return ": " + fmt.Sprintf(format, message[1:]...)
	}
	return ": " + fmt.Sprint(message...)
}
