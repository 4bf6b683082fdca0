// Package reload answers one question before a request: has a file that the
// app loaded changed since it was loaded?
package reload

// MaxFiles bounds the number of files that one Stamps watches over.
const MaxFiles = 20000

// Stamps is the set of files that the workers have loaded, with what ripd
// knows of each. The zero value is an empty set, which never changes.
type Stamps struct{}

// Set replaces the files and takes their stamps.
func (s *Stamps) Set(files []string) error { return nil }

// Changed reports whether a file differs from its stamp, and which.
func (s *Stamps) Changed() (path string, changed bool) { return "", false }

// Refresh takes all stamps anew: what is there now is what the app has loaded.
func (s *Stamps) Refresh() {}
