package api

import "fmt"

// Code says what kind of failure an Error is; programs decide by it.
type Code string

// The error codes.
const (
	CodeUsage      Code = "usage"       // the call itself is wrong
	CodeNotFound   Code = "not_found"   // no such app, worker or route
	CodeForbidden  Code = "forbidden"   // the caller may not
	CodeBusy       Code = "busy"        // not now: too many calls, or another operation is in the way
	CodeFailed     Code = "failed"      // it was tried and failed
	CodeRolledBack Code = "rolled_back" // a roll failed, and the old workers serve
	CodeVersion    Code = "version"     // the two programs do not understand each other
)

// Error is what the control socket answers instead of a result, inside
// {"error": …}. It is also a Go error.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`        // one line, lower case, no full stop
	Hint    string `json:"hint,omitempty"` // what to do next
}

// Error gives the message alone; the hint is for those who print it apart.
func (e *Error) Error() string { return e.Message }

// Errorf makes an Error with a code and no hint.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint gives a copy of the error that says what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// ErrorAnswer is the body of an answer with an HTTP status of 400 and more.
type ErrorAnswer struct {
	Error *Error `json:"error"`
}
