# frozen_string_literal: true

require 'fileutils'
require 'logger'
require 'rails'
require 'active_record/railtie'
require 'action_controller/railtie'

module Shop
  # A small shop, to be replaced by yours.
  class Application < Rails::Application
    config.load_defaults 6.1
    config.api_only = true
    config.eager_load = config.cache_classes = Rails.env.production?
    config.consider_all_requests_local = !Rails.env.production?
    config.logger = ActiveSupport::Logger.new($stdout)
    config.log_level = :warn
    # Nothing is signed here. An app with cookies names the same key to all of its workers.
    config.secret_key_base = ENV.fetch('SECRET_KEY_BASE') { SecureRandom.hex(64) }

    config.after_initialize do
      FileUtils.mkdir_p(root.join('storage')) unless ENV['STATE_DIRECTORY']
      Product.prepare
      # Workers are forked from here, and must not share a connection.
      ActiveRecord::Base.connection_pool.disconnect!
    end
  end
end
