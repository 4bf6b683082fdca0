# frozen_string_literal: true

module Ripd
  # The head of a request (RFC 9112), which is read straight into the app's environment:
  # in Ruby each string and each call of a method counts, so a field is two searches, two
  # strings and one look at what is known of its name.
  class Head
    attr_reader :env, :length, :chunked, :keep, :expects
    attr_reader :protocols # that the client would go on with (Upgrade), nil without

    KEYS = {} # a field's name as it comes → its key in the environment, of those without a meaning here; nearly always the same few
    KEYS_MOST = 1000
    NAME_BYTES = 64 # of one that is kept
    # What reads the fields that say how the message is framed.
    OURS = { "CONTENT_LENGTH" => :length!, "HTTP_TRANSFER_ENCODING" => :coding!, "HTTP_EXPECT" => :expectation!, "HTTP_CONNECTION" => :connection!,
             "HTTP_UPGRADE" => :upgrade! }.freeze
    CONTENT = { "CONTENT_LENGTH" => true, "CONTENT_TYPE" => true }.freeze # without HTTP_
    # What the first line ends with, and the protocol that it says.
    PROTOCOLS = (0..9).to_h { |minor| [" HTTP/1.#{minor}", "HTTP/1.#{minor}".freeze] }.freeze
    # What is looked for, in the encoding of what was received: it is compared faster.
    LINE_END = "\r\n".b.freeze
    COLON = ":".b.freeze
    SPACE = " ".b.freeze
    CONTROLS = "\r\n\0".b.freeze

    # data is the head with the empty line that ends it, in binary. env is what is in each environment.
    def initialize(data, env)
      @env = env
      @length = @protocols = nil
      @chunked = @expects = false
      fields = 0
      at = first(data)
      before = env.size
      last = data.bytesize - 2
      while at < last
        colon = data.index(COLON, at)
        ending = data.index(LINE_END, at)
        raise Bad.new(400, "a line of the head is no field") if colon.nil? || colon > ending

        name = data.byteslice(at, colon - at)
        value = data.byteslice(colon + 1, ending - colon - 1)
        value.strip!
        key = KEYS[name] || met(name, value)
        env[key] = value if key
        fields += 1
        at = ending + 2
      end
      # Each line has its end, the head has one more, and there are no others.
      raise Bad.new(400, "a control character in the head") if data.count(CONTROLS) != 2 * (fields + 2)
      raise Bad.new(400, "a length and chunks at once") if @chunked && @length

      join(data) if env.size < before + fields # a field came twice, or was left out
    end

    # Whether the app has a body to read.
    def body? = @chunked || (!@length.nil? && @length.positive?)

    def head? = @env["REQUEST_METHOD"] == "HEAD"
    def chunks? = @protocol != "HTTP/1.0" # whether the one who asks understands them
    def request_id = @env["HTTP_X_REQUEST_ID"]
    def what = "#{@env['REQUEST_METHOD']} #{@env['REQUEST_URI']}"

    private

    # Reads the first line, and returns where the next one begins.
    def first(data)
      ending = data.index(LINE_END)
      space = data.index(SPACE)
      @protocol = PROTOCOLS[data.byteslice(ending - 9, 9)] if ending > 9
      size = ending - 10 - space if space # of the target
      raise Bad.new(400, "the first line is not that of a request") unless @protocol && size&.positive? && space.positive?

      method = data.byteslice(0, space)
      target = data.byteslice(space + 1, size)
      raise Bad.new(400, "the first line is not that of a request") if target.match?(/\s/n) || method.match?(/\s/n)

      @keep = chunks?
      env = @env
      env["REQUEST_METHOD"] = method
      env["REQUEST_URI"] = target
      env["SERVER_PROTOCOL"] = @protocol
      origin = target.start_with?("/")
      target = target.sub(%r{\A[A-Za-z][A-Za-z0-9+.-]*://[^/?]*}n, "") unless origin # absolute-form, RFC 9112 3.2.2
      if (mark = target.index("?"))
        env["QUERY_STRING"] = target.byteslice(mark + 1, size)
        size = mark
      end
      path = target.byteslice(0, size)
      path = of_another_form(path) unless origin
      env["PATH_INFO"] = path
      env["REQUEST_PATH"] = path.dup # apps change strings in their place
      ending + 2
    end

    # The path of a target that does not begin with it. Rack 2, unlike 3, does not know the asterisk.
    def of_another_form(path)
      if path.empty? then +"/"
      elsif path == "*" && @env.key?("rack.version") then +""
      else path
      end
    end

    # The key of a field whose name is not in KEYS; nil when the app does not see it. What
    # says how the message is framed is taken from the value.
    def met(name, value)
      raise Bad.new(400, "a line of the head is no field") if name.empty? || name.match?(/\s/n)

      key = key_of(name)
      if (ours = OURS[key])
        __send__(ours, value)
      elsif key && KEYS.size < KEYS_MOST && name.bytesize <= NAME_BYTES
        KEYS[name.freeze] = key
      end
      key
    end

    def key_of(name)
      return nil if name.include?("_") # it would pass for the same name with a dash

      key = name.upcase.tr("-", "_")
      return key if CONTENT[key]

      "HTTP_#{key}".freeze unless key == "VERSION" # HTTP_VERSION is Rack's own
    end

    def length!(value)
      raise Bad.new(400, "the length is no number") unless value.match?(/\A\d+\z/n) && [nil, value.to_i].include?(@length)

      @length = value.to_i
    end

    def coding!(value)
      raise Bad.new(501, "a transfer coding other than chunked") unless value.casecmp?("chunked") && !@chunked

      @chunked = true
    end

    def expectation!(value)
      @expects = chunks? && value.casecmp?("100-continue")
    end

    def upgrade!(value)
      (@protocols ||= []).concat(value.split(",").map(&:strip).reject(&:empty?))
    end

    def connection!(value)
      options = value.downcase.split(",").map(&:strip)
      if options.include?("close") then @keep = false
      elsif options.include?("keep-alive") then @keep = true
      end
    end

    # The values of a field that came more than once are one in the environment.
    def join(data)
      values = {}
      data.split(LINE_END).drop(1).each do |line|
        name, value = line.split(":", 2)
        key = KEYS[name] || key_of(name) || next
        value.strip!
        held = values[key]
        values[key] = held && key != "CONTENT_LENGTH" ? "#{held}#{key == 'HTTP_COOKIE' ? '; ' : ','}#{value}" : value
      end
      @env.merge!(values)
    end
  end
end
