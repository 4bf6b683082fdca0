# frozen_string_literal: true

PLAIN = { "content-type" => "text/plain" }.freeze

run lambda { |env|
  if env["PATH_INFO"] == "/"
    [200, PLAIN, ["Hello from worker #{ENV['WORKER_ID']}.\n"]]
  else
    [404, PLAIN, ["There is no such page.\n"]]
  end
}
