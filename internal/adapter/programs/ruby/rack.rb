# frozen_string_literal: true

# ripd's adapter for Rack apps: Sinatra, Roda, Rails, and others, with Rack 2 and 3.
#
# It serves HTTP/1.1 on SOCKET_PATH, one request at a time or RIP_CONCURRENCY in
# threads (with RIP_SERIAL one after the other), and registers when config.ru is
# loaded. See ripd_worker for what ripd says in the environment, and ripd_reload for
# the reload modes.

require_relative "ripd_worker"
require_relative "ripd_http"
require_relative "ripd_hijack"
require_relative "ripd_reload"
require_relative "ripd_mold"

module Ripd
  # An answer on its way: the head, the framing, the body's pieces.
  class Answer
    attr_reader :sent, :keep, :taker # what the app wants to be given the connection behind the head; nil without

    # Fields that speak of the connection and are ripd's affair (RFC 9110 7.6.1).
    HOP_BY_HOP = %w[connection keep-alive proxy-connection te trailer upgrade].to_h { |name| [name, true] }.freeze

    def initialize(connection, request, news)
      @connection, @request, @news = connection, request, news
      @keep = request.keep
      @sent = false
    end

    # Takes the app's status and headers, in the forms of Rack 2 and Rack 3.
    def start(status, headers)
      @status = status.to_i
      @taker = nil
      @lines = +""
      @length = @raw = nil
      headers.each do |name, value|
        name = name.to_s
        @taker = value if name == "rack.hijack"
        next if name.start_with?("rack.")

        if value.is_a?(String) && !value.include?("\n")
          field(name, value) unless value.empty?
        else
          (value.is_a?(Array) ? value : value.to_s.split("\n")).each { |one| field(name, one.to_s) }
        end
      end
      @body = @request.method != "HEAD" && @status >= 200 && @status != 204 && @status != 304
    end

    # Sends a piece of the body, the head before the first one. length is the whole
    # body's when it is known.
    def write(data, length = nil)
      out = @sent ? "".b : head(length)
      if @body && !data.empty?
        if @chunked
          out << data.bytesize.to_s(16) << "\r\n" << data.b << "\r\n"
        else
          out << limited(data).b
        end
      end
      return if out.empty?

      @news.call
      @connection.socket.write(out)
    end

    # Sends the head alone, to an answer whose rest is not the adapter's: a 101, or one that
    # ends with the connection.
    def give_away
      @keep = false unless @status == 101
      @raw = true # no framing
      @news.call
      @connection.socket.write(head(nil))
      @connection.give_away
    end

    # Sends what is left when the body is complete. False: it is not complete.
    def finish
      write("", 0) unless @sent
      if @chunked
        @news.call
        @connection.socket.write("0\r\n\r\n")
      elsif @body && @length&.positive?
        complain("#{@length} bytes shorter than its Content-Length")
        return false
      end
      true
    end

    private

    def field(name, value)
      if name.match?(/[^!-9;-~]/) || name.empty? || value.match?(/[\r\n\0]/)
        raise ArgumentError, "this is no header field: #{name.inspect}: #{value.inspect}"
      end

      lower = name.downcase
      return if HOP_BY_HOP[lower] && @status != 101 # that says to which protocol

      case lower
      when "content-length" then @length = Integer(value, 10)
      when "transfer-encoding" then @raw = value # Rack::Chunked has framed the body itself
      end
      return if lower == "content-length" && (@status < 200 || @status == 204)

      @lines << name << ": " << value << "\r\n"
    end

    def head(length)
      if @length.nil? && length && !@raw && @status >= 200 && @status != 204 && @status != 304
        unless @request.method == "HEAD" && length.zero?
          @length = length
          @lines << "Content-Length: #{length}\r\n"
        end
      elsif @length.nil? && @body && !@raw
        if @request.minor.positive?
          @chunked = true
          @lines << "Transfer-Encoding: chunked\r\n"
        else
          @keep = false
        end
      end
      @lines << "Connection: close\r\n" unless @keep
      @sent = true
      "HTTP/1.1 #{@status} #{REASONS[@status]}\r\n#{@lines}\r\n".b
    end

    def limited(data)
      return data unless @length

      if data.bytesize > @length
        complain("longer than its Content-Length")
        data = data.byteslice(0, @length)
      end
      @length -= data.bytesize
      data
    end

    def complain(how) = Ripd.warn("request #{@request.request_id || '-'}: the body is #{how}")
  end

  # What a body of Rack 3 that is called gets: the answer as a stream.
  class Stream
    def initialize(answer, input)
      @answer, @input = answer, input
      @closed = false
    end

    def read(...) = @input.read(...)

    def write(*pieces)
      raise IOError, "the stream is closed" if @closed

      pieces.sum do |piece|
        @answer.write(piece.to_s)
        piece.to_s.bytesize
      end
    end

    def <<(piece)
      write(piece)
      self
    end

    def flush = self
    def close_read = nil
    def closed? = @closed

    def close(*)
      @closed = true
      nil
    end
    alias close_write close
  end

  # Accepts ripd's connections, a thread for each.
  class Server
    def initialize(reloader)
      @reloader = reloader
      @news = reloader.method(:news)
      @lock = Mutex.new
      @connections = {} # Connection → its thread
      @stopping = false
      @wake, @waker = IO.pipe
      @names = { "content-type" => "CONTENT_TYPE", "content-length" => "CONTENT_LENGTH" }
      @rack2 = Rack.release.to_i < 3
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
        done = @lock.synchronize do
          connection.busy = !connection.buffer.empty?
          @stopping && !connection.busy
        end
        break if done
      end
    rescue SystemCallError, IOError
      nil # ripd has closed the connection
    ensure
      connection.socket.close unless connection.given?
      @lock.synchronize { @connections.delete(connection) }
    end

    # One request. False ends the connection.
    def one(connection)
      head = connection.head or return false
      body = Body.new(connection, head)
      begin
        @reloader.turn { |app| answer(connection, head, body, app) } && body.skip
      rescue Bad
        false
      end
    rescue Bad => e
      connection.socket.write(plain(e.status, e.message, false))
      false
    end

    def answer(connection, head, body, app)
      return broken(connection, head) if app.nil?

      answer = Answer.new(connection, head, @news)
      env = environment(head, body)
      hijack = env["rack.hijack"] = Hijack.new(connection, env, @news)
      status, headers, content = app.call(env)
      begin
        unless hijack.taken? # else there is nothing to answer any more
          answer.start(status, headers)
          answer.taker ? answer.taker.call(answer.give_away) : pass_on(content, answer, env)
        end
      ensure
        content.close if content.respond_to?(:close)
      end
      finished(env, status, headers, nil)
      !connection.given? && answer.finish && answer.keep
    rescue Bad, Errno::EPIPE, Errno::ECONNRESET
      raise
    rescue StandardError, ScriptError, SystemStackError, NoMemoryError => e
      Ripd.report(e, head.request_id, head.what)
      finished(env, status, headers, e) if env
      connection.socket.close if connection.given? && !connection.socket.closed? # nobody else does
      return false if answer.sent || connection.given? # a broken answer must look broken

      connection.socket.write(plain(500, "Internal Server Error", head.keep))
      head.keep
    end

    def pass_on(content, answer, env)
      if content.respond_to?(:to_ary)
        pieces = content.to_ary
        length = pieces.sum(&:bytesize)
        pieces.size == 1 ? answer.write(pieces.first, length) : answer.write(pieces.join, length)
      elsif content.respond_to?(:each)
        content.each { |piece| answer.write(piece) unless piece.empty? }
      else
        content.call(Stream.new(answer, env["rack.input"]))
      end
    end

    # Tells those who asked that the answer is out.
    def finished(env, status, headers, error)
      env["rack.response_finished"]&.reverse_each { |callback| callback.call(env, status, headers, error) }
      env["rack.after_reply"]&.each(&:call)
    rescue StandardError => e
      Ripd.report(e, env["HTTP_X_REQUEST_ID"], "after the answer")
    end

    def broken(connection, head)
      @reloader.news
      connection.socket.write(plain(500, "The app does not load.", head.keep, "Rip-Worker-Error: #{Ripd.error_header(@reloader.error)}\r\n"))
      head.keep
    end

    # A whole small answer.
    def plain(status, text, keep, more = "")
      "HTTP/1.1 #{status} #{REASONS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n#{more}" \
        "Content-Length: #{text.bytesize + 1}\r\n#{"Connection: close\r\n" unless keep}\r\n#{text}\n"
    end

    def base
      env = {
        "SCRIPT_NAME" => "", "SERVER_SOFTWARE" => "ripd", "rack.errors" => $stderr,
        "rack.hijack?" => true, "rack.multithread" => AT_ONCE > 1, "rack.multiprocess" => true, "rack.run_once" => false
      }
      env["rack.version"] = Rack::VERSION if @rack2
      env
    end

    def environment(head, body)
      env = @base.dup
      head.fields.each do |name, value|
        key = @names[name]
        unless key
          next if name.include?("_") # it would pass for the same name with a dash

          key = "HTTP_#{name.upcase.tr('-', '_')}"
          @names[name] = key if @names.size < 1000
        end
        value = "#{env[key]}#{key == 'HTTP_COOKIE' ? '; ' : ','}#{value}" if env.key?(key)
        env[key] = value
      end
      place(env)
      protocol = "HTTP/1.#{head.minor}"
      env["REQUEST_METHOD"] = head.method
      env["PATH_INFO"] = env["REQUEST_PATH"] = head.path
      env["QUERY_STRING"] = head.query
      env["REQUEST_URI"] = head.target
      env["SERVER_PROTOCOL"] = protocol
      env["HTTP_VERSION"] = protocol if @rack2
      env["rack.input"] = Input.new(body, @rack2)
      env["rack.response_finished"] = [] unless @rack2
      env["rack.after_reply"] = []
      env
    end

    # Who asks, and for which server.
    def place(env)
      scheme = env["HTTP_X_FORWARDED_PROTO"] == "https" ? "https" : "http"
      host, port = server(env["HTTP_HOST"].to_s)
      env["rack.url_scheme"] = scheme
      env["SERVER_NAME"] = host.empty? ? "localhost" : host
      env["SERVER_PORT"] = port || (scheme == "https" ? "443" : "80")
      # The client, as ripd knows it; trusted proxies follow.
      clients = env["HTTP_X_FORWARDED_FOR"].to_s
      at = clients.index(",")
      env["REMOTE_ADDR"] = (at ? clients[0, at] : clients).strip
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
