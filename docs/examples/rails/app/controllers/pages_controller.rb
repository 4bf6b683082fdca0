# frozen_string_literal: true

# Pages without data.
class PagesController < ActionController::API
  def ping = render(plain: "pong\n")

  def root
    render plain: "Rails in worker #{ENV.fetch('WORKER_ID', '?')} of #{ENV.fetch('APP_NAME', '?')}, " \
                  "request #{request.request_id}\n"
  end

  def echo = render(plain: request.raw_post)
end
