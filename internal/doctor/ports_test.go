package doctor

import (
	"testing"

	"ripd/internal/units"
)

// Of two apps that want one address, the setting that is to change is that of the socket.
func TestSettingOfSocket(t *testing.T) {
	for name, want := range map[string]string{
		"ripd@shop.socket": "listen.http", "ripd-https@shop.socket": "listen.https", "ripd-metrics@shop.socket": "listen.metrics",
	} {
		socket := &units.Socket{}
		socket.Name = name
		if got := settingOf(socket); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
