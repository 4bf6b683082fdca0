# frozen_string_literal: true

module Ripd
  # env["rack.hijack"]: gives the app the connection itself, as Action Cable, Faye and
  # websocket-driver want it. The app writes the answer, a 101 among others, and from
  # then on the connection is its own; ripd ends it when the worker leaves.
  class Hijack
    def initialize(connection, env, news)
      @connection, @env, @news = connection, env, news
      @io = nil
    end

    # The connection's socket. What was received behind the head is read from it first.
    def call
      @io ||= begin
        @news.call
        @env["rack.hijack_io"] = @connection.give_away
      end
    end

    def taken? = !@io.nil?
  end
end
