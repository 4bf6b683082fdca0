# frozen_string_literal: true

module Lazy
  TEXT = "lazy"
end
