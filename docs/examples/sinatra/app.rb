# frozen_string_literal: true

require 'sinatra/base'
require 'time'

# A small shop, to be replaced by yours.
class App < Sinatra::Base
  before { content_type 'text/plain' }

  get('/ping') { "pong #{Time.now.iso8601(3)}\n" }

  get '/' do
    "Sinatra in worker #{ENV.fetch('WORKER_ID', '?')} of #{ENV.fetch('APP_NAME', '?')}, " \
      "request #{request.env['HTTP_X_REQUEST_ID']}\n"
  end

  post('/echo') { request.body.read }
end
