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

  # The head of a request (RFC 9112). Names are in lower case.
  class Head
    attr_reader :method, :target, :path, :query, :minor, :fields, :length, :chunked, :keep, :expects

    NAMES = {} # as they come → in lower case, of those that are right; nearly always the same few
    NAMES_MOST = 1000
    NAME_BYTES = 64 # of one that is kept
    OURS = { "content-length" => true, "transfer-encoding" => true, "expect" => true, "connection" => true }.freeze

    def initialize(data)
      first, *lines = data.split("\r\n")
      # Each line has its end, the head has one more, and there are no others.
      raise Bad.new(400, "a control character in the head") if data.count("\r\n\0") != 2 * (lines.size + 2)

      match = %r{\A(\S+) (\S+) HTTP/1\.(\d)\z}n.match(first.to_s) or raise Bad.new(400, "the first line is not that of a request")
      @method, @target, @minor = match[1], match[2], match[3].to_i
      @fields = []
      @chunked = @expects = false
      @keep = @minor.positive?
      lines.each { |line| field(line) }
      raise Bad.new(400, "a length and chunks at once") if @chunked && @length

      target = @target
      target = target.sub(%r{\A[A-Za-z][A-Za-z0-9+.-]*://[^/?]*}n, "") unless target.start_with?("/") # absolute-form, RFC 9112 3.2.2
      @path, @query = target.split("?", 2)
      @path = "/" if @path.nil? || @path.empty?
      @query ||= ""
    end

    def [](name) = @fields.assoc(name)&.last
    def request_id = self["x-request-id"]
    def what = "#{@method} #{@target}"

    private

    def field(line)
      at = line.index(":") or raise Bad.new(400, "a line of the head is no field")
      raw = line.byteslice(0, at)
      name = NAMES[raw] || checked(raw)
      value = line.byteslice(at + 1, line.bytesize)
      value.strip!
      @fields << [name, value]
      own(name, value) if OURS[name]
    end

    def checked(raw)
      raise Bad.new(400, "a line of the head is no field") if raw.empty? || raw.match?(/\s/n)

      name = raw.downcase.freeze
      NAMES[raw.freeze] = name if NAMES.size < NAMES_MOST && raw.bytesize <= NAME_BYTES
      name
    end

    # A field that says how the message is framed.
    def own(name, value)
      case name
      when "content-length"
        raise Bad.new(400, "the length is no number") unless value.match?(/\A\d+\z/n) && [nil, value.to_i].include?(@length)

        @length = value.to_i
      when "transfer-encoding"
        raise Bad.new(501, "a transfer coding other than chunked") unless value.casecmp?("chunked") && !@chunked

        @chunked = true
      when "expect" then @expects = value.casecmp?("100-continue")
      when "connection" then connection(value.downcase)
      end
    end

    def connection(value)
      options = value.split(",").map(&:strip)
      if options.include?("close") then @keep = false
      elsif options.include?("keep-alive") then @keep = true
      end
    end
  end

  # A connection of ripd's: what was received and not used yet.
  class Connection
    attr_reader :socket, :buffer
    attr_accessor :busy # a request has begun

    def initialize(socket)
      @socket = socket
      @buffer = String.new(capacity: RECEIVE_BYTES, encoding: Encoding::BINARY)
      @piece = String.new(encoding: Encoding::BINARY)
      @busy = @given = false
    end

    # The socket, for somebody else: this connection is over.
    def give_away
      @given = true
      @socket.ungetbyte(@buffer.slice!(0, @buffer.bytesize)) unless @buffer.empty?
      @socket
    end

    def given? = @given

    # The next request's head, nil at the connection's end.
    def head
      loop do
        @buffer.sub!(/\A(?:\r?\n)+/n, "") if @buffer.start_with?("\r", "\n")
        if (at = @buffer.index("\r\n\r\n"))
          head = @buffer.slice!(0, at + 4)
          return Head.new(head)
        end
        raise Bad.new(431, "the head is too large") if @buffer.bytesize > HEAD_BYTES
        next if receive
        raise Bad.new(400, "the head breaks off") unless @buffer.empty?

        return nil
      end
    end

    def receive
      @buffer << @socket.readpartial(RECEIVE_BYTES, @piece)
      @busy = true
    rescue EOFError
      false
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
  end

  # A request's body, received as the app reads it.
  class Body
    def initialize(connection, head)
      @connection = connection
      @left = head.length || 0 # of the body, or of this chunk
      @chunked = head.chunked
      @first = true
      @ended = !head.chunked && @left.zero?
      @expects = head.expects && head.minor.positive?
    end

    def ended? = @ended

    # The next bytes, nil at the end.
    def piece(most)
      return nil if @ended

      if @expects
        @connection.socket.write("HTTP/1.1 100 Continue\r\n\r\n")
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

  # rack.input: the body as the app reads it. Rack 2 wants to read it twice, so what
  # was read is kept then, the first part of it in memory.
  class Input
    MEMORY_BYTES = 256 << 10
    EMPTY = "".b.freeze

    def initialize(body, rewindable)
      @body, @rewindable = body, rewindable
      @ahead = EMPTY # received, and not taken by the app
      @memory = nil
      @size = @position = 0 # of what is kept
    end

    def read(length = nil, buffer = nil)
      buffer ? buffer.clear.force_encoding(Encoding::BINARY) : buffer = String.new(encoding: Encoding::BINARY)
      while (length.nil? || buffer.bytesize < length) && (data = take(length ? length - buffer.bytesize : RECEIVE_BYTES))
        buffer << data
      end
      length.nil? || length.zero? || !buffer.empty? ? buffer : nil
    end

    def gets(*)
      until (at = @ahead.index("\n"))
        data = pull(RECEIVE_BYTES) or break
        @ahead = "".b if @ahead.frozen?
        @ahead << data
      end
      @ahead.empty? ? nil : @ahead.slice!(0, at ? at + 1 : @ahead.bytesize)
    end

    def each
      while (line = gets)
        yield line
      end
    end

    def rewind
      raise Errno::ESPIPE, "Rack 3 reads a body once" unless @rewindable

      @ahead = EMPTY
      @position = 0
    end

    def close = nil

    private

    def take(most)
      return nil if most.zero?

      @ahead.empty? ? pull(most) : @ahead.slice!(0, most)
    end

    # The next bytes: what is kept of them, else what comes.
    def pull(most)
      return @body.piece(most) unless @rewindable

      data = @position < @size ? kept(most) : @body.piece(most)
      return nil unless data

      keep(data) if @position == @size
      @position += data.bytesize
      data
    end

    def kept(most)
      return @memory.byteslice(@position, most) unless @file

      @file.pread([most, @size - @position].min, @position)
    end

    def keep(data)
      if !@file && @size + data.bytesize > MEMORY_BYTES
        @file = File.open(ENV["TMPDIR"] || "/tmp", File::RDWR | File::TMPFILE, 0o600)
        @file.binmode
        @file.pwrite(@memory, 0) if @memory
        @memory = nil
      end
      @file ? @file.pwrite(data, @size) : (@memory ||= "".b) << data
      @size += data.bytesize
    end
  end
end
