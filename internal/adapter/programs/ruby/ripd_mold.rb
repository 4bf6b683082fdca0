# frozen_string_literal: true

require_relative "ripd_worker"

module Ripd
  # What a process does that has loaded the app and is forked to make workers.
  #
  # ripd's orders come on the socket whose descriptor RIP_PRELOAD names: a worker's
  # variables ("NAME=value", a NUL after each), with the descriptors of its standard
  # output, its standard error, and the socket of its life. A worker is forked twice, so that it
  # becomes a child of ripd's. It says "forked" on the socket of its life, and waits
  # for "go". From then on it ends when anything happens there, which is ripd's end.
  module Mold
    ORDER_BYTES = 65_536
    # Of fcntl(2). What delivers a signal when a socket's other end is closed.
    F_GETFL, F_SETFL, F_SETOWN, F_SETSIG, O_ASYNC = 3, 4, 8, 10, 0o20000
    private_constant :F_GETFL, :F_SETFL, :F_SETOWN, :F_SETSIG, :O_ASYNC

    module_function

    # Forks for each order. It returns in the workers alone.
    def serve
      orders = Socket.for_fd(PRELOAD.to_i)
      orders.close_on_exec = true
      tell_threads
      warm_up
      %w[TERM INT].each { |signal| trap(signal) { exit } }
      orders.send("loaded", 0)
      loop do
        variables, ios = order(orders)
        return orders.close if variables && worker?(variables, ios)
      end
    end

    # The next order. There is none when it cannot be taken; ripd sees that it got no worker.
    def order(orders)
      text, _, _, *rest = orders.recvmsg(ORDER_BYTES, 0, scm_rights: true)
      exit if text.nil? || text.empty? # ripd has ended
      ios = rest.flat_map { |part| part.cmsg_is?(:SOCKET, :RIGHTS) ? part.unix_rights : [] }
      return [text.split("\0").reject(&:empty?).to_h { |entry| entry.split("=", 2) }, ios] if ios.size == 3

      ios.each(&:close)
      nil
    end

    # Forks. True in the new worker, false in the mold.
    def worker?(variables, ios)
      [$stdout, $stderr, STDOUT, STDERR].uniq.each { |io| io.flush if io.respond_to?(:flush) } # or both would write it
      middle = fork
      unless middle
        %w[TERM INT].each { |signal| trap(signal) { exit!(0) } }
        become(variables, ios)
        return true
      end
      ios.each(&:close)
      begin
        Process.wait(middle)
      rescue Errno::ECHILD
        nil # a library waits for all children
      end
      false
    rescue SystemCallError => e
      Ripd.warn("a worker cannot be forked: #{e.message}")
      ios.each(&:close)
      false
    end

    # Makes the second fork, and of that process a worker.
    def become(variables, ios)
      middle = Process.pid
      exit!(0) if fork
      sleep 0.0005 while Process.ppid == middle
      Process.setsid
      out, err, @life = ios # kept: it must not be closed
      STDOUT.reopen(out)
      STDERR.reopen(err)
      [out, err].each(&:close)
      @life.send("forked", 0)
      exit!(1) unless @life.recv(2) == "go"
      end_with_ripd
      ENV.update(variables)
    rescue SystemCallError => e # in the middle, or in a worker that ripd does not know yet
      Ripd.warn("a worker cannot be forked: #{e.message}")
      exit!(1)
    end

    # Has the kernel kill this process when ripd ends, and closes its end of the socket.
    def end_with_ripd
      @life.fcntl(F_SETOWN, Process.pid)
      @life.fcntl(F_SETSIG, Signal.list.fetch("KILL"))
      @life.fcntl(F_SETFL, @life.fcntl(F_GETFL) | O_ASYNC)
      exit!(1) if IO.select([@life], nil, nil, 0) # it has ended before
    end

    # Threads are not forked. Those of libraries that see to it themselves are marked.
    def tell_threads
      lost = (Thread.list - [Thread.main]).reject { |thread| thread.thread_variable_get(:fork_safe) }
      return if lost.empty?

      Ripd.warn("the app has started #{lost.size} #{lost.size == 1 ? 'thread' : 'threads'} while it was loaded; " \
                "the workers are forked from it and do not have them (see Process._fork)")
    end

    # Makes all objects old: the garbage collection of a worker has then no reason to write to them.
    def warm_up
      return Process.warmup if Process.respond_to?(:warmup) # Ruby 3.3

      4.times { GC.start }
    end
  end
end
