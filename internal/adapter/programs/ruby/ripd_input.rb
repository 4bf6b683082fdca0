# frozen_string_literal: true

module Ripd
  # rack.input of a request without a body. It keeps nothing, so that there is one for all.
  module NoInput
    module_function

    def read(length = nil, buffer = nil)
      buffer&.clear&.force_encoding(Encoding::BINARY)
      length.nil? || length.zero? ? buffer || String.new(encoding: Encoding::BINARY) : nil
    end

    def gets(*) = nil
    def each = nil
    def rewind = nil
    def close = nil
  end

  # rack.input: the body as the app reads it, once. It has no rewind: Rails calls one
  # that it finds, before it reads.
  class Input
    EMPTY = "".b.freeze

    def initialize(body)
      @body = body
      @ahead = EMPTY # received, and not taken by the app
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

    def close = nil

    private

    def take(most)
      return nil if most.zero?

      @ahead.empty? ? pull(most) : @ahead.slice!(0, most)
    end

    def pull(most) = @body.piece(most)
  end

  # rack.input of Rack 2, which wants to read a body twice: what was read is kept, the
  # first part of it in memory.
  class RewindableInput < Input
    MEMORY_BYTES = 256 << 10

    def initialize(body)
      super
      @memory = nil
      @size = @position = 0 # of what is kept
    end

    def rewind
      @ahead = EMPTY
      @position = 0
    end

    private

    # The next bytes: what is kept of them, else what comes.
    def pull(most)
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
