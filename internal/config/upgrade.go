package config

import "time"

// upgradeMargin is the part of workers.stop_timeout that is left for a worker to end
// after its last upgraded connection was closed.
const upgradeMargin = 2 * time.Second

// UpgradePatience is for how long the upgraded connections of a worker that is to end
// live on: timeouts.upgrade_drain, but not so long that workers.stop_timeout would
// end the worker by force.
func (c *Config) UpgradePatience() time.Duration {
	stop := c.Workers.StopTimeout
	return min(c.Timeouts.UpgradeDrain, max(stop-upgradeMargin, stop/2))
}
