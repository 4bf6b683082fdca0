// Package control is the server of the control socket: it knows who calls (by
// the kernel's peer credentials), decides who may call what, keeps every call
// within bounds, and hands what is left to an Operator or a Registrar.
package control

import (
	"context"

	"ripd/internal/api"
)

// Peer is who calls.
type Peer struct {
	PID   int    // of the process that connected; SO_PEERCRED, unix(7)
	UID   int    // its effective user id at that moment
	GID   int    // its effective group id at that moment
	Token string // what it presented as its token; "": nothing. Not checked: see TokenEqual
}

// Operator is what operators may do to an app. Its methods may be called from
// several goroutines at once. Errors that are *api.Error reach the caller as
// they are; others become the code failed.
type Operator interface {
	Status() api.Status
	Workers() []api.Worker
	Config() api.Config
	// Roll replaces the generation. Kind is api.KindRestart or api.KindReload.
	// When ctx ends, Roll may return; the roll itself goes on, even when ctx had
	// ended before. Step never blocks; after Roll has returned it does nothing.
	Roll(ctx context.Context, kind string, step func(api.Step)) api.Verdict
	// Scale changes the number of workers and returns when it is reached. When
	// ctx ends, Scale returns and the change goes on. An error before the first
	// step means that nothing was changed.
	Scale(ctx context.Context, r api.ScaleRequest, step func(api.Step)) (api.Scale, error)
	// Drain gives a worker nothing new; 0 means all. With page requests are answered
	// with the maintenance page then. It returns at once.
	Drain(ctx context.Context, workerID int, page bool) error
	// Resume lets a drained worker take requests again; 0 means all. The maintenance
	// page ends with it.
	Resume(ctx context.Context, workerID int) error
	// Stop ends the app and ripd: it returns when all that was accepted has
	// been answered and the workers are gone. Nothing undoes it. The caller
	// then still writes the verdict to its client: close the Server, which waits
	// for that, before the process exits.
	Stop(ctx context.Context, step func(api.Step)) api.Verdict
	// Upgrade starts another ripd beside this one and hands everything over to it.
	// When ctx ends, Upgrade may return; the upgrade goes on. After a verdict that is
	// OK this ripd ends by itself.
	Upgrade(ctx context.Context, r api.UpgradeRequest, step func(api.Step)) api.Verdict
	// Events gives what happens from now on. The channel is bounded: a slow
	// reader loses events, and the next that it gets is an api.EventLost. It is
	// closed when ctx ends or ripd stops.
	Events(ctx context.Context) <-chan api.Event
}

// Registrar is what workers may do. Its methods check the peer and the token.
type Registrar interface {
	Register(peer Peer, r api.Register) error
	Deregister(peer Peer, d api.Deregister) error
}
