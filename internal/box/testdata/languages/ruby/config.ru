# The just-in-time compiler is a part of Ruby that not every build has.
JIT = defined?(RubyVM::YJIT) ? RubyVM::YJIT.enabled? : "missing"

run lambda { |_env|
  child = system("true")
  text = "jit=#{JIT} child=#{child}"
  [200, { "content-type" => "text/plain", "content-length" => text.bytesize.to_s }, [text]]
}
