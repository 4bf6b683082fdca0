package adapter

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ripd/internal/testkit"
)

// Apps of Ruby and Python as their frameworks' own guides write them, inside of
// their language's checker. Each answers GET /ping with pong, POST /echo with the
// body, and fails at /throw.
var checkedFrameworks = []struct {
	name, file, source string
	engine
	module string   // of Debian's, that has to be there
	env    []string // of the worker
}{
	{"sinatra", "config.ru", `
require 'sinatra/base'
require 'rack/lint'
class Shop < Sinatra::Base
  set :show_exceptions, false
  get('/ping') { 'pong' }
  post('/echo') { request.body.read }
  get('/throw') { raise 'thrown' }
end
use Rack::Lint
run Shop`, rackEngine, "sinatra", nil},
	{"sinatra, classic", "config.ru", `
require 'sinatra'
require 'rack/lint'
set :show_exceptions, false
get('/ping') { 'pong' }
post('/echo') { request.body.read }
get('/throw') { raise 'thrown' }
use Rack::Lint
run Sinatra::Application`, rackEngine, "sinatra", []string{"RACK_ENV=production"}},
	{"flask", "app.py", `
from wsgiref.validate import validator
from flask import Flask, request
app = Flask(__name__)

@app.get('/ping')
def ping():
    return 'pong'

@app.post('/echo')
def echo():
    return b''.join(iter(lambda: request.stream.read(65536), b''))

@app.get('/throw')
def fail():
    raise ValueError('thrown')

app.wsgi_app = validator(app.wsgi_app)`, wsgiEngine, "flask", nil},
	{"django", "wsgi.py", `
from wsgiref.validate import validator
import django.conf
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

def fail(request):
    raise ValueError('thrown')

urlpatterns = [
    path('ping', lambda request: HttpResponse('pong')),
    path('echo', csrf_exempt(lambda request: HttpResponse(request.body))),
    path('throw', fail),
]
django.conf.settings.configure(ROOT_URLCONF=__name__, SECRET_KEY='secret', ALLOWED_HOSTS=['*'],
    LOGGING={'version': 1, 'handlers': {'console': {'class': 'logging.StreamHandler'}}, 'loggers': {'django.request': {'handlers': ['console']}}})
application = validator(get_wsgi_application())`, wsgiEngine, "django", nil},
	{"django, asgi", "asgi.py", `
from checks import checker
import django.conf
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

async def ping(request):
    return HttpResponse('pong')

def fail(request):
    raise ValueError('thrown')

urlpatterns = [
    path('ping', ping),
    path('echo', csrf_exempt(lambda request: HttpResponse(request.body))),
    path('throw', fail),
]
django.conf.settings.configure(ROOT_URLCONF=__name__, SECRET_KEY='secret', ALLOWED_HOSTS=['*'],
    LOGGING={'version': 1, 'handlers': {'console': {'class': 'logging.StreamHandler'}}, 'loggers': {'django.request': {'handlers': ['console']}}})
inner = get_asgi_application()

async def django_app(scope, receive, send):
    if scope['type'] == 'lifespan':
        raise ValueError('Django knows no lifespan')
    await inner(scope, receive, send)

application = checker(django_app)`, asgiEngine, "django", nil},
	{"fastapi", "asgi.py", `
from checks import checker
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
api = FastAPI()

@api.on_event('startup')
async def begin():
    api.state.word = 'pong'

@api.get('/ping', response_class=PlainTextResponse)
async def ping():
    return api.state.word

@api.post('/echo', response_class=PlainTextResponse)
async def echo(request: Request):
    return (await request.body()).decode()

@api.get('/throw')
def fail():
    raise ValueError('thrown')

app = checker(api)`, asgiEngine, "fastapi", nil},
	{"starlette", "asgi.py", `
import contextlib
from checks import checker
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

@contextlib.asynccontextmanager
async def lifespan(app):
    print('the app begins', flush=True)
    yield {'word': 'pong'}
    print('the app ends', flush=True)

async def ping(request):
    return PlainTextResponse(request.state.word)

async def echo(request):
    pieces = [piece async for piece in request.stream()]
    return StreamingResponse(iter(pieces))

async def fail(request):
    raise ValueError('thrown')

app = checker(Starlette(lifespan=lifespan, routes=[Route('/ping', ping), Route('/echo', echo, methods=['POST']), Route('/throw', fail)]))`,
		asgiEngine, "starlette", nil},
}

func TestCheckedFrameworks(t *testing.T) {
	for _, f := range checkedFrameworks {
		t.Run(f.name, func(t *testing.T) {
			look := exec.Command(f.command(t)[0], "-c", "import "+f.module)
			if f.engine.name == "rack" {
				look = exec.Command("ruby", "-e", "gem "+`"`+f.module+`"`)
			}
			if out, err := look.CombinedOutput(); err != nil {
				testkit.Lacking(t, f.module+": "+string(out))
			}
			dir := newFolder(t)
			dir.save(f.file, f.source)
			for from, to := range map[string]string{"asgi.py": "checks.py", "settings.py": "settings.py"} {
				text, err := os.ReadFile(pythonApp(t, from))
				if err != nil {
					t.Fatal(err)
				}
				dir.save(to, string(text))
			}
			w := startJS(t, f.engine, filepath.Join(dir.dir, f.file), f.env...)
			if got := w.get("/ping"); got != "200 pong" {
				t.Errorf("/ping: %q", got)
			}
			body := strings.Repeat("line of a body\n", 10_000)
			if got := text(w.do("POST", "/echo", body, "Content-Type: text/plain")); got != "200 "+body {
				t.Errorf("/echo: %d bytes of %d: %.100q", len(got)-len("200 "), len(body), got)
			}
			if got := w.get("/throw"); !strings.HasPrefix(got, "500 ") {
				t.Errorf("/throw: %q", got)
			}
			w.Stderr.WaitFor(t, testkit.Timeout, "thrown")
			if got := text(w.do("HEAD", "/ping", "")); got != "200 " && got != "405 " { // a framework may know GET alone
				t.Errorf("HEAD: %q", got)
			}
			if err := w.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if code := w.Wait(t, testkit.Timeout); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if f.name == "starlette" && !strings.Contains(w.Stdout.String(), "the app begins\nthe app ends\n") {
				t.Errorf("its lifespan: %q", w.Stdout)
			}
			if said := w.Stdout.String() + w.Stderr.String(); strings.Contains(said, "ASGI:") || strings.Contains(said, "LintError") || strings.Contains(said, "AssertionError") {
				t.Errorf("the checker: %s", said)
			}
		})
	}
}
