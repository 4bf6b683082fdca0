package api

// Config is the answer of GET /v1/config: the settings in force. Values that
// may be secrets are hidden by ripd before they get here.
type Config struct {
	App      string    `json:"app"`
	File     string    `json:"file,omitempty"`  // the configuration file; empty: none
	Settings []Setting `json:"settings"`        // in the order of the configuration's table
	Notes    []string  `json:"notes,omitempty"` // decisions that depended on the machine
}

// Setting is one setting: its value, and where the value came from.
type Setting struct {
	Key    string `json:"key"`    // "queue.size"
	Value  string `json:"value"`  // as the file would say it
	Origin string `json:"origin"` // "default", "/etc/ripd/shop.toml:12", "RIP_QUEUE_SIZE", "w:4"
}
