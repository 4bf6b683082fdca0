package journal

// The messages (the field msg) of the lines that are not ripd's own messages.
// docs/logging.md describes the fields of all lines.
const (
	MsgRequest = "request"
	MsgOutput  = "output"
)
