# frozen_string_literal: true

# The endpoints that languages_test.go asks for, inside of Rack::Lint.

require "rack/lint"
require "uri" # Lint uses it
require_relative "parts/settings"

PLAIN = { "Content-Type" => "text/plain" }.freeze

# A body that reads the request as it is enumerated.
Duplex = Struct.new(:input) do
  def each
    while (line = input.gets)
      yield line
    end
  end
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
  [200, PLAIN, ["held\n"]]
end

checked = lambda do |env|
  case env["PATH_INFO"]
  when "/env", "/caf%C3%A9"
    keys = %w[REQUEST_METHOD PATH_INFO QUERY_STRING SERVER_NAME SERVER_PORT REMOTE_ADDR HTTP_X_TEST HTTP_COOKIE CONTENT_TYPE rack.url_scheme]
    [200, PLAIN, [keys.map { |k| env[k].to_s }.join("|")]]
  when "/echo" then [200, PLAIN, [env["rack.input"].read]]
  when "/twice"
    first = env["rack.input"].read
    env["rack.input"].rewind
    [200, PLAIN, [first == env["rack.input"].read ? "same #{first.bytesize}" : "different"]]
  when "/duplex" then [200, PLAIN, Duplex.new(env["rack.input"])]
  when "/ignore" then [200, PLAIN, ["one piece"]]
  when "/stream" then [200, PLAIN, env["REQUEST_METHOD"] == "HEAD" ? [] : %w[a b c].each]
  when "/204" then [204, {}, []]
  when "/304" then [304, {}, []]
  when "/headers" then [200, PLAIN.merge("Set-Cookie" => "a=1\nb=2"), ["cookies"]]
  when "/boom" then raise "boom"
  when "/late" then [200, PLAIN, Late.new]
  when "/hold" then hold(env)
  when "/lazy"
    require_relative "parts/lazy"
    [200, PLAIN, [Lazy::TEXT]]
  else [404, PLAIN, ["nothing here"]]
  end
end

# Lint would hide the number of pieces.
map("/list") { run ->(_env) { [200, PLAIN, ["one piece"]] } }
map("/short") { run ->(_env) { [200, PLAIN.merge("Content-Length" => "10"), ["short"]] } }
map("/long") { run ->(_env) { [200, PLAIN.merge("Content-Length" => "4"), ["longer"]] } }
# The forms of Rack 3, which Rack 2's Lint does not know.
map("/arrays") { run ->(_env) { [200, { "content-type" => "text/plain", "set-cookie" => %w[a=1 b=2] }, ["arrays"]] } }
map("/called") { run ->(_env) { [200, { "content-type" => "text/plain" }, ->(stream) { (stream << "x" << "y").close }] } }
map("/") do
  use Rack::Lint
  run checked
end
