// Package systemd speaks the protocols that systemd offers to a service:
// sockets that are handed over by name (sd_listen_fds(3)), messages about the
// service's state (sd_notify(3)), and secrets in files (credentials, in
// systemd.exec(5)). Without systemd the first two do nothing.
package systemd

// The names of the sockets that ripd knows: FileDescriptorName= of their units
// (systemd.socket(5)). Several sockets may have one name.
const (
	HTTP    = "http"
	HTTPS   = "https"
	Control = "control"
	Metrics = "metrics"
)
