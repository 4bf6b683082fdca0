# frozen_string_literal: true

SETTINGS = {}.freeze
