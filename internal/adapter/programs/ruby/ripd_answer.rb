# frozen_string_literal: true

module Ripd
  # An answer on its way: the head, the framing, the body's pieces. It is env["rack.hijack"], too.
  class Answer
    attr_reader :sent, :keep, :taker # what the app wants to be given the connection behind the head; nil without

    STATUS_LINES = REASONS.to_h { |status, reason| [status, "HTTP/1.1 #{status} #{reason}\r\n".b.freeze] }.freeze
    PLAIN = {} # names as the app gives them → what their lines begin with, of those without a meaning here; nearly always the same few
    PLAIN_MOST = 1000
    NAME_BYTES = 64 # of one that is kept
    LENGTHS = { "Content-Length" => true, "content-length" => true }.freeze # as it is nearly always written
    # Fields that speak of the connection and are ripd's affair (RFC 9110 7.6.1).
    HOP_BY_HOP = %w[connection keep-alive proxy-connection te trailer upgrade].to_h { |name| [name, true] }.freeze

    def initialize(connection, request, reloader)
      @connection, @request, @reloader = connection, request, reloader
      @keep = request.keep
      @sent = false
    end

    # Takes the app's status and headers, in the forms of Rack 2 and Rack 3.
    def start(status, headers)
      @status = status.to_i
      @taker = @length = @raw = @chunked = @upgrade = nil
      @head = +(STATUS_LINES[@status] || "HTTP/1.1 #{@status} \r\n".b)
      headers.each do |name, value|
        if (begins = PLAIN[name]) && value.is_a?(String) && value.ascii_only? && !value.match?(/[^ -~]/) && !value.empty?
          @head << begins << value << "\r\n"
        else
          header(name, value)
        end
      end
      if @protocol
        return start(101, headers) unless switches?

        { "Connection" => "Upgrade", "Upgrade" => @protocol }.each { |name, value| field(name, value) } unless @upgrade # the app's own
      end
      @body = @status >= 200 && @status != 204 && @status != 304 && !@request.head?
    end

    # Whether the connection goes on with another protocol.
    def switches? = @status == 101

    # Gives the app the connection itself, as Action Cable, Faye and websocket-driver want
    # it: the app writes the answer, a 101 among others, and from then on the connection is
    # its own; ripd ends it when the worker leaves. What was received behind the head is
    # read from it first.
    def call
      @request.env["rack.hijack_io"] ||= begin
        @reloader.news
        @connection.give_away
      end
    end

    # Sends a piece of the body, the head before the first one. length is the whole
    # body's when it is known.
    def write(data, length = nil)
      out = @sent ? "".b : framed(length)
      if @body && !data.empty?
        if @chunked
          out << data.bytesize.to_s(16) << "\r\n" << bytes(data) << "\r\n"
        else
          out << bytes(limited(data))
        end
      end
      pass(out) unless out.empty?
    end

    # Sends the head alone, to an answer whose rest is not the adapter's: a 101, or one that
    # ends with the connection.
    def give_away
      @keep = false unless switches?
      @raw = true # no framing
      pass(framed(nil))
      @connection.give_away
    end

    # Sends what is left when the body is complete. False: it is not complete.
    def finish
      write("", 0) unless @sent
      if @chunked
        pass("0\r\n\r\n")
      elsif @body && @length&.positive?
        complain("#{@length} bytes shorter than its Content-Length")
        return false
      end
      true
    end

    private

    def pass(data)
      @reloader.news
      @connection.write(data)
    end

    # What can be put behind other bytes: strings in two encodings cannot, unless one is ASCII.
    def bytes(data) = data.ascii_only? ? data : data.b

    # A header that is not a name of PLAIN with one value of printable ASCII.
    def header(name, value)
      return length!(value) if LENGTHS[name] && value.is_a?(String)

      name = name.to_s
      case name
      when "rack.hijack" then @taker = value
      when "rack.protocol" then @protocol = value # its status says nothing over HTTP/1.1
      end
      return if name.start_with?("rack.")

      if value.is_a?(String) && !value.include?("\n")
        field(name, value) unless value.empty?
      else
        (value.is_a?(Array) ? value : value.to_s.split("\n")).each { |one| field(name, one.to_s) }
      end
    end

    def field(name, value)
      name, value = bytes(name), bytes(value)
      if name.match?(/[^!-9;-~]/) || name.empty? || value.match?(/[\r\n\0]/)
        raise ArgumentError, "this is no header field: #{name.inspect}: #{value.inspect}"
      end

      lower = name.downcase
      return length!(value) if lower == "content-length"

      if lower == "transfer-encoding" then @raw = value # Rack::Chunked has framed the body itself
      elsif HOP_BY_HOP[lower]
        return unless switches? # that says to which protocol

        @upgrade = true if lower == "upgrade"
      elsif PLAIN.size < PLAIN_MOST && name.bytesize <= NAME_BYTES then PLAIN[name.dup.freeze] = "#{name}: ".b.freeze
      end
      @head << name << ": " << value << "\r\n"
    end

    def length!(value)
      return if value.empty?

      length = value.to_i
      unless value.match?(/\A\d+\z/) && [nil, length].include?(@length)
        raise ArgumentError, "this is no length of a body, or a second one: #{value.inspect}"
      end
      return if @length

      @length = length
      @head << "Content-Length: " << value << "\r\n" unless @status < 200 || @status == 204
    end

    # The head with what says where the body ends.
    def framed(length)
      if @length.nil? && !@raw
        if length && @status >= 200 && @status != 204 && @status != 304
          unless length.zero? && @request.head?
            @length = length
            @head << "Content-Length: " << length.to_s << "\r\n"
          end
        elsif @body && @request.chunks?
          @chunked = true
          @head << "Transfer-Encoding: chunked\r\n"
        elsif @body
          @keep = false
        end
      end
      @head << "Connection: close\r\n" unless @keep
      @sent = true
      @head << "\r\n"
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
end
