# frozen_string_literal: true

module Ripd
  # Who may run: so many requests at a time, in the order in which they came. A
  # turn is handed to the one who has waited longest, so that nobody overtakes.
  class Turns
    def initialize(most)
      @free = most
      @lock = Mutex.new
      @waiting = []
    end

    # Waits for a turn.
    def take
      gate = nil
      @lock.synchronize { free? || @waiting.push(gate = Thread::Queue.new) }
      gate&.pop
    end

    # Takes a turn if one is free. False: none is.
    def try = @lock.synchronize { free? }

    # Gives a turn back.
    def give
      @lock.synchronize { @waiting.empty? ? @free += 1 : @waiting.shift.push(true) }
    end

    private

    # None is free while somebody waits.
    def free? = @free.positive? && (@free -= 1)
  end
end
