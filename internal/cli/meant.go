package cli

// meant are the words that people bring along from other servers and tools, and the
// command that does or shows what they are after.
var meant = map[string]string{
	"certificates": "status", "certs": "status", "tls": "status", "info": "status", "stats": "status", "health": "status",
	"ps": "workers", "processes": "workers", "apps": "list", "tail": "logs", "journal": "logs",
	"deploy": "restart", "phased-restart": "restart", "hup": "reload", "quit": "stop", "kill": "stop",
	"pause": "drain", "maintenance": "drain", "unpause": "resume",
	"check": "config check", "test": "config check", "configtest": "config check", "settings": "config show",
}
