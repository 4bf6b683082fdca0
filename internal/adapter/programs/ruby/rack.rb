# frozen_string_literal: true

# ripd's adapter for Rack apps: Sinatra, Roda, Rails, and others, with Rack 2 and 3.
#
# It serves HTTP/1.1 on SOCKET_PATH, one request at a time or RIP_CONCURRENCY in
# threads (with RIP_SERIAL one after the other), and registers when config.ru is
# loaded. See ripd_worker for what ripd says in the environment, and ripd_reload for
# the reload modes.

require_relative "ripd_worker"
require_relative "ripd_http"
require_relative "ripd_head"
require_relative "ripd_input"
require_relative "ripd_answer"
require_relative "ripd_reload"
require_relative "ripd_mold"

module Ripd
  # Accepts ripd's connections, a thread for each.
  class Server
    # What an app may raise that is no affair of the worker's.
    FAILURES = [StandardError, ScriptError, SystemStackError, NoMemoryError].freeze

    def initialize(reloader)
      @reloader = reloader
      @lock = Mutex.new
      @connections = {} # Connection → its thread
      @stopping = false
      @wake, @waker = IO.pipe
      @places = {} # a Host → the server's name and port
      @rack2 = Rack.release.to_i < 3
      @input = @rack2 ? RewindableInput : Input
      @base = base.freeze
    end

    # Ends the worker when what runs is answered. A signal's handler.
    def stop
      @stopping = true
      @waker.write_nonblock("x", exception: false)
    end

    def serve(listener)
      until @stopping
        ready, = IO.select([listener, @wake])
        accept(listener) if ready.include?(listener) && !@stopping
      end
      Ripd.deregister # before nobody listens: ripd may be about to connect
      listener.close
      threads = @lock.synchronize do
        @connections.each_key { |connection| leave(connection) unless connection.busy }
        @connections.values
      end
      threads.each(&:join)
    end

    private

    def accept(listener)
      socket = listener.accept_nonblock(exception: false)
      return if socket == :wait_readable

      connection = Connection.new(socket)
      @lock.synchronize do
        @connections[connection] = Thread.new { run(connection) }
      end
    end

    # Lets an idle connection's thread see the end. What ripd has sent already is
    # read before.
    def leave(connection)
      connection.socket.shutdown(Socket::SHUT_RD)
    rescue SystemCallError, IOError
      nil
    end

    def run(connection)
      while one(connection)
        # First the flag, then the look: `serve` does it the other way round, so that one of both sees it.
        connection.busy = !connection.buffer.empty?
        break if @stopping && !connection.busy
      end
    rescue SystemCallError, IOError
      nil # ripd has closed the connection
    ensure
      connection.socket.close unless connection.given?
      @lock.synchronize { @connections.delete(connection) }
    end

    # One request. False ends the connection.
    def one(connection)
      data = connection.head or return false
      head = Head.new(data, @base.dup)
      body = Body.new(connection, head) if head.body?
      begin
        @reloader.turn { |app| answer(connection, head, body, app) } && (body.nil? || body.skip)
      rescue Bad
        false
      end
    rescue Bad => e
      connection.write(plain(e.status, e.message, false))
      false
    end

    def answer(connection, head, body, app)
      return broken(connection, head) if app.nil?

      answer = Answer.new(connection, head, @reloader)
      env = environment(head, body)
      env["rack.hijack"] = answer
      status, headers, content = app.call(env)
      begin
        unless connection.given? # else there is nothing to answer any more
          answer.start(status, headers)
          taker = answer.taker || (content if answer.switches? && !content.respond_to?(:each)) # with both directions
          taker ? taker.call(answer.give_away) : pass_on(content, answer, env)
        end
      ensure
        content.close if content.respond_to?(:close)
      end
      on = !connection.given? && answer.finish && answer.keep
      finished(env, status, headers, nil)
      on
    rescue *FAILURES => e
      Ripd.report(e, head.request_id, head.what) unless left?(connection, e)
      finished(env, status, headers, e) if env
      connection.socket.close if connection.given? && !connection.socket.closed? # nobody else does
      return false if answer.sent || connection.given? || connection.gone? || e.is_a?(Bad) # a broken answer must look broken

      connection.write(plain(500, "Internal Server Error", head.keep))
      head.keep
    end

    # Whether an error says that the client has left. An app's own connections break off, too.
    def left?(connection, error)
      case error
      when Bad then true
      when Errno::EPIPE, Errno::ECONNRESET then connection.gone? || connection.given?
      end
    end

    def pass_on(content, answer, env)
      if content.respond_to?(:to_ary)
        pieces = content.to_ary
        whole = pieces.size == 1 ? pieces[0] : pieces.map(&:b).join
        answer.write(whole, whole.bytesize)
      elsif content.respond_to?(:each)
        content.each { |piece| answer.write(piece) unless piece.empty? }
      else
        content.call(Stream.new(answer, env["rack.input"]))
      end
    end

    # Tells those who asked that the answer is out, or failed.
    def finished(env, status, headers, error)
      env["rack.response_finished"]&.reverse_each { |callback| after(env) { callback.call(env, status, headers, error) } }
      env["rack.after_reply"]&.each { |callback| after(env) { callback.call } }
    end

    # Does what comes after an answer: an error is no matter of the others that wait for it.
    def after(env)
      yield
    rescue *FAILURES => e
      Ripd.report(e, env["HTTP_X_REQUEST_ID"], "after the answer")
    end

    def broken(connection, head)
      @reloader.news
      connection.write(plain(500, "The app does not load.", head.keep, "Rip-Worker-Error: #{Ripd.error_header(@reloader.error)}\r\n"))
      head.keep
    end

    # A whole small answer.
    def plain(status, text, keep, more = "")
      "HTTP/1.1 #{status} #{REASONS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n#{more}" \
        "Content-Length: #{text.bytesize + 1}\r\n#{"Connection: close\r\n" unless keep}\r\n#{text}\n"
    end

    # What each environment begins with. What is set for each request is here, too: a
    # hash that need not grow is half the work.
    def base
      env = {
        "SCRIPT_NAME" => "", "SERVER_SOFTWARE" => "ripd", "rack.errors" => $stderr,
        "rack.hijack?" => true, "rack.multithread" => AT_ONCE > 1, "rack.multiprocess" => true, "rack.run_once" => false,
        "REQUEST_METHOD" => nil, "REQUEST_URI" => nil, "REQUEST_PATH" => nil, "PATH_INFO" => nil, "QUERY_STRING" => "", "SERVER_PROTOCOL" => nil,
        "SERVER_NAME" => nil, "SERVER_PORT" => nil, "REMOTE_ADDR" => nil, "rack.url_scheme" => "http",
        "rack.input" => NoInput, "rack.hijack" => nil, "rack.after_reply" => nil
      }
      env.update(@rack2 ? { "rack.version" => Rack::VERSION, "HTTP_VERSION" => nil } : { "rack.response_finished" => nil })
    end

    def environment(head, body)
      env = head.env
      place(env)
      env["rack.input"] = @input.new(body) if body
      env["rack.after_reply"] = []
      if @rack2 then env["HTTP_VERSION"] = env["SERVER_PROTOCOL"]
      else
        env["rack.response_finished"] = []
        env["rack.protocol"] = head.protocols if head.protocols
      end
      env
    end

    PLACES_MOST = 100
    PLACE_BYTES = 255 # of a Host that is kept; as long as a name may be

    # Who asks, and for which server.
    def place(env)
      host = env["HTTP_HOST"].to_s
      name, port = @places[host] || placed(host)
      secure = env["HTTP_X_FORWARDED_PROTO"] == "https"
      env["rack.url_scheme"] = "https" if secure
      env["SERVER_NAME"] = name
      env["SERVER_PORT"] = port || (secure ? "443" : "80")
      # The client, as ripd knows it; trusted proxies follow.
      clients = env["HTTP_X_FORWARDED_FOR"].to_s
      at = clients.index(",")
      env["REMOTE_ADDR"] = at ? clients[0, at].rstrip : clients.dup
    end

    def placed(host)
      name, port = server(host)
      place = [name.empty? ? "localhost" : name.freeze, port.freeze].freeze
      @places[host.dup.freeze] = place if @places.size < PLACES_MOST && host.bytesize <= PLACE_BYTES
      place
    end

    # The name and the port, nil without one, of a Host.
    def server(host)
      at = host.rindex(":")
      return host.dup, nil unless at && host.match?(/\G\d+\z/, at + 1)

      [host[0, at], host[at + 1..]]
    end
  end

  def self.main
    %w[TERM INT].each { |signal| trap(signal) { exit!(0) } } # there is nothing to finish yet
    $stdout.sync = true # the log has a line when it is written
    ENV["RACK_ENV"] ||= DEVELOPMENT ? "development" : "production"
    reloader = Reloader.new
    reloader.start
    Mold.serve if PRELOAD # returns in each worker
    server = Server.new(reloader)
    listener = UNIXServer.new(ENV.fetch("SOCKET_PATH"))
    %w[TERM INT].each { |signal| trap(signal) { server.stop } }
    reloader.news
    server.serve(listener)
  end
end

Ripd.main
