package config

import (
	"testing"
	"time"
)

func TestUpgradePatience(t *testing.T) {
	for _, tt := range []struct{ drain, stop, want time.Duration }{
		{20 * time.Second, 30 * time.Second, 20 * time.Second},
		{time.Hour, 30 * time.Second, 28 * time.Second},
		{time.Hour, 2 * time.Second, time.Second},
		{0, 30 * time.Second, 0},
	} {
		c := &Config{}
		c.Timeouts.UpgradeDrain, c.Workers.StopTimeout = tt.drain, tt.stop
		if got := c.UpgradePatience(); got != tt.want {
			t.Errorf("%s within %s: %s, want %s", tt.drain, tt.stop, got, tt.want)
		}
	}
}
