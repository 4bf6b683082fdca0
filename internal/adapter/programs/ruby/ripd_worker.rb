# frozen_string_literal: true

require "socket"

# What ripd's adapter for Ruby and ripd say to each other. ripd says in the
# environment what is to be loaded (RIP_ENTRY, RIP_ROOT), how (RIP_RELOAD,
# RIP_DEVELOPMENT), and where a worker registers (RIP_CONTROL).
#
# Nothing here needs a gem, nor a part of the standard library that is one: the
# app's Gemfile may name another version of it.
module Ripd
  ENTRY = ENV.fetch("RIP_ENTRY", "")
  ROOT = ENV["RIP_ROOT"] || File.dirname(ENTRY)
  RELOAD = ENV.fetch("RIP_RELOAD", "none")
  DEVELOPMENT = ENV["RIP_DEVELOPMENT"] == "1"
  CONCURRENCY = [ENV["RIP_CONCURRENCY"].to_i, 1].max # requests that ripd gives at a time
  AT_ONCE = ENV["RIP_SERIAL"] == "1" ? 1 : CONCURRENCY # of these that run; the others wait for their turn
  PRELOAD = ENV.delete("RIP_PRELOAD") # the descriptor of a mold's orders; see ripd_mold
  PROGRAM = File.expand_path($PROGRAM_NAME)
  HERE = "#{__dir__}/"

  CALL_TRIES = 5 # of the first registering, when ripd is busy
  CALL_BYTES = 900_000 # of file names in one call; ripd takes 1 MiB
  ERROR_BYTES = 8000 # of the header that carries an error, percent-encoded
  GRACE_SECONDS = 0.2 # that a half-written file is given to become whole
  AWAY_SECONDS = 0.5 # that a file is waited for that was deleted or emptied just now

  # ripd's answer to a call was no.
  class Refused < StandardError; end

  module_function

  # Writes one line to the log.
  def warn(text)
    $stderr.write("#{text.chomp}\n")
    $stderr.flush
  end

  # Writes an exception of the app to the log, with the request's id.
  def report(error, request_id, what)
    id = request_id.to_s.empty? ? "-" : request_id
    warn("request #{id}: #{what}: #{summary(error)}\n#{trace_of(error)}")
  end

  # An exception in one line. A syntax error's class says nothing that its
  # message does not.
  def summary(error)
    message = error.message.to_s.scrub
    error.is_a?(SyntaxError) ? message : "#{error.class}: #{message}"
  end

  # A trace without the steps of the adapter.
  def trace_of(error)
    (error.backtrace || []).reject { |line| line.start_with?(HERE) }.map { |line| "    #{line}\n" }.join
  end

  # The value of Rip-Worker-Error: what is wrong with code that does not load.
  def error_header(error)
    file, line = place_of(error)
    message, trace = summary(error)[0, 1000], "#{summary(error)}\n#{trace_of(error)}"
    loop do
      text = %({"message":#{json(message)},"file":#{json(file)},"line":#{line},"trace":#{json(trace)}})
      encoded = text.b.gsub(/[^A-Za-z0-9_.~-]/n) { |c| format("%%%02X", c.ord) }
      return encoded if encoded.bytesize <= ERROR_BYTES

      trace = trace[0, trace.size * 3 / 4]
      message = message[0, [message.size * 3 / 4, 50].max] if trace.size < 100
    end
  end

  # The file and line of the app at which it went wrong.
  def place_of(error)
    if error.is_a?(SyntaxError) && (found = error.message.match(%r{(/[^:\n]+):(\d+):}))
      return [found[1], found[2].to_i]
    end

    at = (error.backtrace_locations || []).find { |l| l.absolute_path.to_s.start_with?("#{ROOT}/") || l.path.to_s == ENTRY }
    at ? [at.absolute_path || at.path, at.lineno] : [ENTRY, 0]
  end

  # A string as JSON.
  def json(text)
    text = text.dup.force_encoding(Encoding::UTF_8).scrub
    %("#{text.gsub(/["\\\u0000-\u001f]/) { |c| format('\\u%04x', c.ord) }}")
  end

  # Tells ripd that this worker is ready, or leaves.
  def call(operation, more = "")
    control = ENV["RIP_CONTROL"].to_s
    return if control.empty?

    body = %({"op":"#{operation}","app":#{json(ENV['APP_NAME'].to_s)},"workerId":#{ENV['WORKER_ID'].to_i},"pid":#{Process.pid}#{more}})
    answer = UNIXSocket.open(control) do |door|
      door.write("POST /v1/worker HTTP/1.1\r\nHost: ripd\r\nConnection: close\r\nContent-Type: application/json\r\n" \
                 "Rip-Token: #{ENV['RIP_TOKEN']}\r\nContent-Length: #{body.bytesize}\r\n\r\n#{body}")
      door.read
    end
    raise Refused, answer.split("\r\n\r\n", 2).last.to_s unless answer.start_with?("HTTP/1.1 200 ")
  end

  # Registers, with the files whose change ripd is to see.
  def register(files)
    size = 0
    told = files.take_while { |path| (size += path.bytesize + 4) < CALL_BYTES }
    warn("the app has loaded more files than ripd can be told: #{files.size}") if told.size < files.size
    more = %(,"socket":#{json(ENV['SOCKET_PATH'].to_s)},"version":"Ruby #{RUBY_VERSION}","files":[#{told.map { |f| json(f) }.join(',')}])
    tries = 0
    begin
      call("register", more)
    rescue SystemCallError, Refused => e
      raise if (tries += 1) >= CALL_TRIES || (e.is_a?(Refused) && !e.message.include?('"busy"'))

      sleep 0.2
      retry
    end
  end

  # Tells ripd that this worker leaves. ripd may be gone already.
  def deregister
    call("deregister")
  rescue SystemCallError, Refused
    nil
  end

  # Starts this program once more in the same process: a file may have been
  # half-written.
  def again
    return if ARGV.include?("--again")

    sleep GRACE_SECONDS
    $stderr.flush
    return exec(RbConfig.ruby, PROGRAM, "--again") unless PRELOAD

    exec({ "RIP_PRELOAD" => PRELOAD }, RbConfig.ruby, PROGRAM, "--again", PRELOAD.to_i => PRELOAD.to_i)
  end
end
