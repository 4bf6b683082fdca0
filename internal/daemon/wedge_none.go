//go:build !wedge

package daemon

// wedgeOnSignal does nothing; see wedge.go.
func (a *app) wedgeOnSignal() {}
