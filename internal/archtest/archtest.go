// Package archtest holds the repository to its own rules: which package may
// import which, how long files and functions may be, what has to be documented.
// It has tests only.
package archtest
