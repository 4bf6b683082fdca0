// Package systemd speaks the protocols that systemd offers to a service:
// sockets that are handed over by name (sd_listen_fds(3)), and messages about
// the service's state (sd_notify(3)). Without systemd both do nothing.
package systemd

// The names of the sockets that ripd knows: FileDescriptorName= of their units
// (systemd.socket(5)). Several sockets may have one name.
const (
	HTTP    = "http"
	HTTPS   = "https"
	Control = "control"
	Metrics = "metrics"
)
