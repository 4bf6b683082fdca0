# frozen_string_literal: true

require 'sinatra/base'

# A small shop, to be replaced by yours.
class App < Sinatra::Base
  before { content_type 'text/plain' }

  get('/ping') { "pong\n" }

  get '/' do
    "Sinatra in worker #{ENV.fetch('WORKER_ID', '?')} of #{ENV.fetch('APP_NAME', '?')}, " \
      "request #{request.env['HTTP_X_REQUEST_ID']}\n"
  end

  post('/echo') { request.body.read }
end
