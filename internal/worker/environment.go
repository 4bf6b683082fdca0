package worker

// Variables are what ripd itself tells a worker.
type Variables struct {
	App        string // APP_NAME
	ID         int    // WORKER_ID
	Generation int    // RIP_GENERATION
	Variant    string // RIP_VARIANT
	Socket     string // SOCKET_PATH
	Control    string // RIP_CONTROL: the control socket that the worker may use
	Token      string // RIP_TOKEN
	Dir        string // PWD
}

// Environment makes the complete environment of a worker: base (ripd's own, as
// of os.Environ) without what is meant for ripd alone, then the settings' env
// file, then the settings' env, and last the variables of the protocol. The
// later wins. It is sorted by name.
func Environment(base []string, envFile, env map[string]string, v Variables) []string { return nil }

// Expand replaces $NAME and ${NAME} in the command's words by the values that
// env has for them. "$$" is a dollar sign. A name that env lacks is an error
// that tells it; the result of an expansion is not split into words.
func Expand(command, env []string) ([]string, error) { return nil, nil }
