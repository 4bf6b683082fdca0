package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"

	"ripd/internal/api"
)

// object is a JSON object whose members are not yet read.
type object map[string]json.RawMessage

// readObject reads a call's body: one JSON object, or nothing (an empty object).
// Members that appear twice are refused: two readers could see different ones.
func readObject(q *http.Request) (object, *failure) {
	b, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, bodyFailure(err)
	}
	o := object{}
	if len(bytes.TrimSpace(b)) == 0 {
		return o, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, usage("the body must be a JSON object, such as {}%s", where(err))
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, usage("the body is not JSON%s", where(err))
		}
		name, _ := t.(string) // the decoder gives nothing else here
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, usage("the value of %.64q is not JSON%s", name, where(err))
		}
		if _, twice := o[name]; twice {
			return nil, usage("%.64q is there twice", name)
		}
		o[name] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, usage("the body is not JSON%s", where(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, usage("something follows the JSON object")
	}
	return o, nil
}

// into sets the fields of v, a pointer to a struct, from the object. A member that v has no
// field for is refused with the nearest name.
func (o object) into(v any) *failure {
	fields := fieldsOf(v)
	for name, raw := range o {
		target, known := fields[name]
		if !known {
			return unknownField(name, fields)
		}
		if err := json.Unmarshal(raw, target); err != nil {
			return wrongType(name, err)
		}
	}
	return nil
}

// decode reads a call's body into v, a pointer to a struct.
func decode(q *http.Request, v any) *failure {
	o, f := readObject(q)
	if f != nil {
		return f
	}
	return o.into(v)
}

// fieldsOf gives pointers to the fields of the struct that v points to, by their names in JSON.
func fieldsOf(v any) map[string]any {
	s := reflect.ValueOf(v).Elem()
	fields := make(map[string]any, s.NumField())
	for i := range s.NumField() {
		name, _, _ := strings.Cut(s.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = s.Field(i).Addr().Interface()
	}
	return fields
}

func unknownField(name string, fields map[string]any) *failure {
	var known []string
	for k := range fields {
		known = append(known, k)
	}
	f := usage("there is no field %.64q here", name)
	if near := api.Nearest(name, known); near != "" {
		f.err = f.err.WithHint("did you mean %q?", near)
	}
	return f
}

func wrongType(name string, err error) *failure {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return usage("the value of %q is wrong: %v", name, err)
	}
	f := usage("%q must be %s, not a %s", name, typeName(t.Type), t.Value)
	if t.Value == "string" && t.Type.Kind() == reflect.Int {
		f.err = f.err.WithHint("write the number without quotes")
	}
	return f
}

// typeName says in the words of JSON what a field takes.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	}
	return "an object"
}

// bodyFailure says why a body could not be read.
func bodyFailure(err error) *failure {
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return fail(http.StatusRequestEntityTooLarge, api.Errorf(api.CodeUsage, "the body is longer than %d bytes", tooBig.Limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(http.StatusRequestTimeout, api.Errorf(api.CodeUsage, "the body did not arrive within %s", readTimeout))
	}
	return usage("the body could not be read: %v", err)
}

func usage(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, api.Errorf(api.CodeUsage, format, args...))
}

func where(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf(": %v", err)
}
