# frozen_string_literal: true

# The endpoints that languages_test.go asks for, inside of Rack::Lint, in the form of the
# Rack that is there.

require "rack/lint"
require "uri" # Lint uses it
require_relative "parts/settings"

RACK3 = Rack.release.to_i >= 3
PLAIN = { RACK3 ? "content-type" : "Content-Type" => "text/plain" }.freeze
COOKIES = RACK3 ? { "set-cookie" => %w[a=1 b=2] } : { "Set-Cookie" => "a=1\nb=2" }
LENGTH = RACK3 ? "content-length" : "Content-Length"

# A body that reads the request as it is enumerated.
Duplex = Struct.new(:input) do
  def each
    while (line = input.gets)
      yield line
    end
  end
end

# The same for Rack 3: it is called with both directions.
ECHO_LINES = lambda do |stream|
  rest = +""
  while (piece = stream.read(1))
    rest << piece
    stream.write(rest.slice!(0, rest.bytesize)) if piece == "\n"
  end
  stream.close
end

# A body that breaks in the middle.
class Late
  def each
    yield "begun\n"
    raise "late boom"
  end
end

def hold(env)
  name = env["HTTP_X_TEST"]
  File.write("#{name}.in", "")
  sleep 0.005 until File.exist?("#{name}.out")
  [200, PLAIN.dup, ["held\n"]]
end

def twice(input)
  return "once" unless input.respond_to?(:rewind)

  first = input.read
  input.rewind
  first == input.read ? "same #{first.bytesize}" : "different"
end

checked = lambda do |env|
  case env["PATH_INFO"]
  when "/env", "/caf%C3%A9"
    keys = %w[REQUEST_METHOD PATH_INFO QUERY_STRING SERVER_NAME SERVER_PORT REMOTE_ADDR HTTP_X_TEST HTTP_COOKIE CONTENT_TYPE rack.url_scheme]
    [200, PLAIN.dup, [keys.map { |k| env[k].to_s }.join("|")]]
  when "/echo" then [200, PLAIN.dup, [env["rack.input"].read]]
  when "/twice" then [200, PLAIN.dup, [twice(env["rack.input"])]]
  when "/duplex" then [200, PLAIN.dup, RACK3 ? ECHO_LINES : Duplex.new(env["rack.input"])]
  when "/ignore" then [200, PLAIN.dup, ["one piece"]]
  when "/stream" then [200, PLAIN.dup, env["REQUEST_METHOD"] == "HEAD" ? [] : %w[a b c].each]
  when "/204" then [204, {}, []]
  when "/304" then [304, {}, []]
  when "/headers" then [200, PLAIN.merge(COOKIES), ["cookies"]]
  when "/boom" then raise "boom"
  when "/late" then [200, PLAIN.dup, Late.new]
  when "/hold" then hold(env)
  when "/lazy"
    require_relative "parts/lazy"
    [200, PLAIN.dup, [Lazy::TEXT]]
  else [404, PLAIN.dup, ["nothing here"]]
  end
end

# Lint would hide the number of pieces.
map("/list") { run ->(_env) { [200, PLAIN.dup, ["one piece"]] } }
map("/short") { run ->(_env) { [200, PLAIN.merge(LENGTH => "10"), ["short"]] } }
map("/long") { run ->(_env) { [200, PLAIN.merge(LENGTH => "4"), ["longer"]] } }
# The forms of Rack 3, which Rack 2's Lint does not know.
map("/arrays") { run ->(_env) { [200, { "content-type" => "text/plain", "set-cookie" => %w[a=1 b=2] }, ["arrays"]] } }
map("/called") { run ->(_env) { [200, { "content-type" => "text/plain" }, ->(stream) { (stream << "x" << "y").close }] } }
map("/") do
  use Rack::Lint
  run checked
end
