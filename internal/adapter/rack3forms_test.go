package adapter

import (
	"strings"
	"testing"

	"ripd/internal/testkit"
)

const rack3App = `
require 'rack/lint'
require 'uri'

# What it is told is in the log when it is told it.
def tell(env, *what) = env['rack.response_finished'] << ->(_env, status, _headers, error) { $stderr.puts "#{what} #{status.inspect} #{error.class}" }

class Both # is enumerated
  def each = yield('each')
  def call(stream) = stream.write('call')
end

class Whole # closes itself, since it says all at once
  def to_ary = ['to_', 'ary'].tap { close }
  def each = to_ary.each { |piece| yield piece }
  def close = @closed ||= $stderr.puts('closed once') || true
end

class Path # of a file that holds the same
  def each = yield(File.read(to_path))
  def to_path = __FILE__
end

class Fails
  def each
    yield 'begun'
    raise 'each fails'
  end
end

PLAIN = { 'content-type' => 'text/plain' }.freeze
upgraded = lambda do |stream|
  stream << "you said #{stream.read(6)}"
  stream.close
end

use Rack::Lint
run(lambda do |env|
  plain = PLAIN.dup
  case env['PATH_INFO']
  when '/both' then [200, plain, Both.new]
  when '/whole' then [200, plain, Whole.new]
  when '/path' then [200, plain, Path.new]
  when '/lists' then [200, plain.merge('x-a' => %w[1 2], 'x-b' => [], 'x-c' => ['']), []]
  when '/calls'
    [200, plain, ->(stream) { stream << stream.read(2) << 'x'; stream.flush; stream.write('y', 'z'); stream.close_read; stream.close_write; stream << 'late' unless stream.closed? }]
  when '/fills' then [200, plain, ->(stream) { stream.read(3, buffer = +'old'); stream.write(buffer, stream.read(9).inspect); stream.close }]
  when '/lengths' then [200, plain.merge('content-length' => '2'), ->(stream) { stream << 'ok'; stream.close }]
  when '/finished'
    tell(env, 'first')
    env['rack.response_finished'] << ->(*) { raise NotImplementedError, 'a callback fails' }
    tell(env, 'last')
    [201, plain, ['ok']]
  when '/raises'
    tell(env, 'raised')
    raise 'the app fails'
  when '/fails'
    tell(env, 'failed')
    [200, plain, Fails.new]
  when '/writes'
    tell(env, 'left')
    [200, plain, ->(stream) { loop { stream << 'x' * 65_536 } }]
  when '/switch' then [101, { 'connection' => 'upgrade', 'upgrade' => 'lines' }, upgraded]
  when '/protocol' then [200, plain.merge('rack.protocol' => env['rack.protocol'][1]), upgraded]
  when '/both-ways' then [200, plain.merge('rack.protocol' => 'lines', 'connection' => 'upgrade', 'upgrade' => 'lines'), upgraded]
  when '/partial' then [200, plain.merge('rack.hijack' => ->(stream) { stream << 'the rest'; stream.close }), []]
  when '/full'
    io = env['rack.hijack'].call
    io.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
    io.close
    [200, {}, []]
  else
    input = env['rack.input']
    [200, plain, [[env['rack.hijack?'], env['rack.protocol'], env.key?('rack.version'), input.respond_to?(:rewind), env['HTTP_VERSION']].inspect]]
  end
end)
`

// What Rack 3 has and Rack 2 has not, each inside of its own Lint.
func TestRack3(t *testing.T) {
	dir := newFolder(t)
	dir.save("config.ru", rack3App)
	w := startJS(t, rack3Engine, dir.path("config.ru"))
	for _, c := range []struct{ path, body, want string }{
		{"/both", "", "200 each"},
		{"/whole", "", "200 to_ary"},
		{"/path", "", "200 " + rack3App},
		{"/calls", "ab", "200 abxyz"},
		{"/fills", "abcd", `200 abc"d"`},
		{"/lengths", "", "200 ok"},
		{"/partial", "", "200 the rest"},
		{"/full", "", "200 ok"},
		{"/", "body", "200 [true, nil, false, false, nil]"},
	} {
		if got := text(w.do("POST", c.path, c.body)); got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	for _, c := range []struct{ send, want string }{
		{"GET /lists HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-a: 1\r\nx-a: 2\r\nx-c: \r\nContent-Length: 0\r\n\r\n"},
		{"HEAD /calls HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nConnection: close\r\n\r\n"},
		{"GET /switch HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\nhello\n",
			"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: lines\r\n\r\nyou said hello\n"},
		{"GET /protocol HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: a/1, lines\r\n\r\nhello\n",
			"HTTP/1.1 101 Switching Protocols\r\ncontent-type: text/plain\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\nyou said hello\n"},
		{"GET /protocol HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: a/1\r\nUpgrade: lines\r\n\r\nhello\n",
			"HTTP/1.1 101 Switching Protocols\r\ncontent-type: text/plain\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\nyou said hello\n"},
		{"GET /both-ways HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\nhello\n",
			"HTTP/1.1 101 Switching Protocols\r\ncontent-type: text/plain\r\nconnection: upgrade\r\nupgrade: lines\r\n\r\nyou said hello\n"},
	} {
		_, in := w.raw(t, c.send)
		expect(t, in, c.want)
	}
	w.stops(t)
	if said := w.Stderr.String(); said != "closed once\n" {
		t.Errorf("its log: %s", said)
	}
}

// Who asked to be told hears of each answer when it is out or has failed, the last to ask first.
func TestRack3Finished(t *testing.T) {
	dir := newFolder(t)
	dir.save("config.ru", rack3App)
	w := startJS(t, rack3Engine, dir.path("config.ru"))
	for _, c := range []struct{ path, want, told string }{
		{"/finished", "201 ok", `["first"] 201 NilClass`},
		{"/raises", "500 Internal Server Error\n", `["raised"] nil RuntimeError`},
		{"/fails", "200 begun (unexpected EOF)", `["failed"] 200 RuntimeError`},
	} {
		if got := w.get(c.path); got != c.want {
			t.Errorf("%s: %q", c.path, got)
		}
		w.Stderr.WaitFor(t, testkit.Timeout, c.told)
	}
	conn, in := w.raw(t, "GET /writes HTTP/1.1\r\n\r\n")
	expect(t, in, "HTTP/1.1 200 OK")
	conn.Close()
	w.Stderr.WaitFor(t, testkit.Timeout, `["left"] 200 Errno::`)
	w.stops(t)
	said := w.Stderr.String()
	last, fails := strings.Index(said, `["last"]`), strings.Index(said, "after the answer: NotImplementedError: a callback fails")
	if first := strings.Index(said, `["first"]`); last < 0 || fails < last || first < fails || strings.Count(said, `["last"]`) != 1 {
		t.Errorf("its log: %s", said)
	}
}
