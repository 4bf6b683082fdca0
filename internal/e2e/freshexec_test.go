package e2e

import (
	"testing"

	"ripd/internal/testkit"
)

// execSource is a program that serves by itself, and tells ripd when it registers
// what it has loaded.
func execSource(dir string) *source {
	s := pythonParts(dir, "worker.py", "")
	parts := s.text
	s.text = func(file string, version, more int64) string {
		text := parts(file, version, more)
		if file == "worker.py" {
			text += execWorker
		}
		return text
	}
	return s
}

const execWorker = `
import http.client, http.server, json, os, signal, socket, socketserver, sys, threading, time

running = threading.Lock()  # held by the request that runs


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        with running:
            if self.path == '/slow':
                time.sleep(0.03)
            body = text().encode()
            self.send_response(200)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Control(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ['RIP_CONTROL'])


def tell(op, **more):
    call = {'op': op, 'app': os.environ['APP_NAME'], 'workerId': int(os.environ['WORKER_ID']), 'token': os.environ['RIP_TOKEN'], **more}
    control = Control('ripd')
    control.request('POST', '/v1/worker', json.dumps(call), {'Content-Type': 'application/json'})
    answer = control.getresponse()
    if answer.status != 200:
        sys.exit(f'ripd does not take the worker: {answer.read().decode()}')


folder = os.path.dirname(os.path.abspath(__file__))
loaded = [os.path.abspath(m.__file__) for m in list(sys.modules.values()) if getattr(m, '__file__', None)]
server = Server(os.environ['SOCKET_PATH'], Handler)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
tell('register', files=[file for file in loaded if file.startswith(folder)])
server.serve_forever()
with running:
    tell('deregister')
`

func TestProgramStaysFresh(t *testing.T) {
	testkit.Need(t, "/usr/bin/python3")
	// -B: Python takes bytecode for fresh if the source has the same size and was
	// saved within the same second.
	freshIn(t, inProcesses, `command = ["/usr/bin/python3", "-B", "worker.py"]`, execSource)
}
