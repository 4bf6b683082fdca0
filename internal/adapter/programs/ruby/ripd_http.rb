# frozen_string_literal: true

module Ripd
  # A message that is not HTTP, or more than is taken. Its status is the answer.
  class Bad < StandardError
    attr_reader :status

    def initialize(status, problem)
      super(problem)
      @status = status
    end
  end

  HEAD_BYTES = 1 << 20 # ripd's own limit is lower; this one is for when it is run by hand
  LINE_BYTES = 8192 # of a chunk's size with its extensions, or a trailer
  RECEIVE_BYTES = 65_536

  # Reasons of statuses, which Rack apps give as numbers alone.
  REASONS = {
    100 => "Continue", 101 => "Switching Protocols", 200 => "OK", 201 => "Created", 202 => "Accepted", 204 => "No Content",
    206 => "Partial Content", 301 => "Moved Permanently", 302 => "Found", 303 => "See Other", 304 => "Not Modified",
    307 => "Temporary Redirect", 308 => "Permanent Redirect", 400 => "Bad Request", 401 => "Unauthorized", 403 => "Forbidden",
    404 => "Not Found", 405 => "Method Not Allowed", 409 => "Conflict", 410 => "Gone", 413 => "Content Too Large",
    415 => "Unsupported Media Type", 422 => "Unprocessable Content", 429 => "Too Many Requests",
    431 => "Request Header Fields Too Large", 500 => "Internal Server Error", 501 => "Not Implemented", 502 => "Bad Gateway",
    503 => "Service Unavailable", 504 => "Gateway Timeout"
  }.freeze

  # A connection of ripd's: what was received and not used yet.
  #
  # Its socket blocks, and Ruby lets other threads run meanwhile: one that does not
  # block costs a read that finds nothing and a poll before each wait.
  class Connection
    attr_reader :socket, :buffer
    attr_accessor :busy # a request has begun

    F_GETFL, F_SETFL = 3, 4 # of fcntl(2)
    HEAD_END = "\r\n\r\n".b.freeze
    private_constant :F_GETFL, :F_SETFL, :HEAD_END

    def initialize(socket)
      @socket = socket
      @buffer = String.new(encoding: Encoding::BINARY)
      @piece = String.new(encoding: Encoding::BINARY)
      @busy = @given = @gone = false
      block(true)
    end

    # The socket, for somebody else: this connection is over.
    def give_away
      @given = true
      block(false) # as Ruby's sockets are
      @socket.ungetbyte(@buffer.slice!(0, @buffer.bytesize)) unless @buffer.empty?
      @socket
    end

    def given? = @given

    # Whether ripd has closed it, as it does when the client has left.
    def gone? = @gone

    # The next request's head with the empty line behind it, nil at the connection's end.
    # It is to be read before anything else is received.
    def head
      if @buffer.empty?
        return nil unless fill
        # Nearly always it is all that came, and need not be copied.
        return @piece if @piece.index(HEAD_END) == @piece.bytesize - 4 && !@piece.start_with?("\r", "\n")

        @buffer << @piece
      end
      loop do
        @buffer.sub!(/\A(?:\r?\n)+/n, "") if @buffer.start_with?("\r", "\n")
        if (at = @buffer.index(HEAD_END))
          return @buffer.slice!(0, at + 4)
        end
        raise Bad.new(431, "the head is too large") if @buffer.bytesize > HEAD_BYTES
        next if receive
        raise Bad.new(400, "the head breaks off") unless @buffer.empty?

        return nil
      end
    end

    # Sends all of it. The kernel nearly always takes it at once, and then nobody else has to run meanwhile.
    def write(data)
      sent = @socket.write_nonblock(data, exception: false)
      return if sent == data.bytesize

      @socket.write(sent.is_a?(Integer) ? data.byteslice(sent, data.bytesize) : data)
    rescue SystemCallError
      @gone = true
      raise
    end

    def receive
      fill && @buffer << @piece
    end

    # A line of chunked framing.
    def line
      until (at = @buffer.index("\r\n"))
        raise Bad.new(400, "a chunk's line breaks off") if @buffer.bytesize > LINE_BYTES || !receive
      end
      @buffer.slice!(0, at + 2).chomp!("\r\n")
    end

    # At most that many bytes, as many as are here; at least one.
    def take(most)
      raise Bad.new(400, "the body breaks off") if @buffer.empty? && !receive

      @buffer.slice!(0, most)
    end

    private

    # Waits for the next bytes. False at the connection's end.
    def fill
      @socket.readpartial(RECEIVE_BYTES, @piece)
      @busy = true
    rescue EOFError
      false
    rescue SystemCallError
      @gone = true
      raise
    end

    def block(yes)
      flags = @socket.fcntl(F_GETFL)
      @socket.fcntl(F_SETFL, yes ? flags & ~File::NONBLOCK : flags | File::NONBLOCK)
    end
  end

  # A request's body, received as the app reads it.
  class Body
    def initialize(connection, head)
      @connection = connection
      @left = head.length || 0 # of the body, or of this chunk
      @chunked = head.chunked
      @first = true
      @ended = !head.chunked && @left.zero?
      @expects = head.expects
    end

    def ended? = @ended

    # The next bytes, nil at the end.
    def piece(most)
      return nil if @ended

      if @expects
        @connection.write("HTTP/1.1 100 Continue\r\n\r\n")
        @expects = false
      end
      return nil if @chunked && @left.zero? && !next_chunk

      data = @connection.take([most, @left].min)
      @left -= data.bytesize
      @ended = true if @left.zero? && !@chunked
      data
    end

    # Reads what the app has left, so that the connection can go on.
    def skip
      return @ended if @expects # it was not sent, and will not be

      nil while piece(RECEIVE_BYTES)
      true
    end

    private

    def next_chunk
      raise Bad.new(400, "a chunk is longer than its size") if !@first && !@connection.line.empty?

      @first = false
      size = @connection.line[/\A[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;|\z)/n, 1] or raise Bad.new(400, "a chunk's size is no number")
      @left = size.hex
      return true if @left.positive?

      nil until @connection.line.empty? # trailers
      @ended = true
      false
    end
  end
end
