// Package e2e runs both programs as people run them: ripd with real apps,
// ripctl beside it. It has tests only.
package e2e
