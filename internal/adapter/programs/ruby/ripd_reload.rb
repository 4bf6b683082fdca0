# frozen_string_literal: true

require_relative "ripd_worker"
require_relative "ripd_turns"

module Ripd
  # Which files the app has loaded, each with the stamp that it had: the time of its
  # last change (ctime, which unlike mtime nobody can set), size and inode. A file that was written in the same tick of
  # the clock in which loading began, or later, is in doubt: nobody knows which
  # content was loaded.
  class Tracker
    FOREIGN = %w[vendor/bundle .bundle node_modules .git].freeze

    File = Struct.new(:stamp, :doubt)

    attr_reader :files, :version

    def initialize
      @root = "#{ROOT}/"
      @foreign = FOREIGN.map { |dir| "#{@root}#{dir}/" } + (defined?(Gem) ? Gem.path : []).map { |dir| "#{dir}/" }
      @files = {}
      @version = 0 # counts the files that were met
      @since = nil # when the loading that goes on began
      @trace = TracePoint.new(:script_compiled) { |point| compiled(point.instruction_sequence) }
    end

    def start = @trace.enable

    # The clock that file systems stamp files with, in ns.
    def clock = Process.clock_gettime(Process::CLOCK_REALTIME_COARSE, :nanosecond)

    # Whether a path is one of the app's own files.
    def mine?(path) = path.start_with?(@root) && !path.start_with?(*@foreign)

    # What is loaded in the block is in doubt if it was written since the block began.
    def loading
      @since = clock
      yield
    ensure
      @since = nil
    end

    def note(path)
      @version += 1 unless @files.key?(path)
      # A file that is loaded in the midst of a request was read just now.
      @files[path] = file(path, @since || (clock - 100_000_000))
    end

    # A file with its stamp of now.
    def file(path, since)
      stamp = stamp_of(path)
      File.new(stamp, !stamp.nil? && written(stamp) >= since)
    end

    def replace(files)
      @files = files
    end

    GONE_FILES = 32 # that are looked at in case they come back

    # Looks out for files that were loaded earlier, and now were not although they were
    # away or have changed meanwhile: they may be in the midst of a save.
    def keep_gone(before)
      gone = before.select { |path, file| !@files.key?(path) && (file.stamp.nil? || stamp_of(path) != file.stamp) }
      gone.to_a.last(GONE_FILES).each { |path, file| @files[path] = File.new(file.stamp, false) }
    end

    # The files that may not hold any more what was loaded.
    def changed = @files.filter_map { |path, file| path if file.doubt || stamp_of(path) != file.stamp }

    def stamp_of(path)
      s = ::File.stat(path)
      [s.ctime, s.size, s.ino]
    rescue SystemCallError
      nil
    end

    # Until when a write may have left this stamp, in ns. FAT keeps every second second.
    def written(stamp)
      ctime = stamp[0]
      (ctime.to_i * 1_000_000_000) + (ctime.nsec.zero? ? 2_000_000_000 : ctime.nsec)
    end

    # Waits for files that were emptied or taken away just now: they are being saved.
    def settle(paths)
      deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + AWAY_SECONDS
      sleep 0.005 while paths.any? { |p| unfinished?(p) } && Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline
    end

    def unfinished?(path)
      stamp = stamp_of(path)
      stamp.nil? || (stamp[1].zero? && clock - written(stamp) < 1_000_000_000)
    end

    # Looks out for files that are new in the folders of the app's Zeitwerk loaders: a
    # loader knows those alone that were there when it was set up.
    def note_autoload_folders
      return unless defined?(::Zeitwerk::Registry)

      ::Zeitwerk::Registry.loaders.each do |loader|
        loader.dirs.each do |dir|
          next unless mine?("#{dir}/x")

          [dir, *Dir.glob("#{dir}/**/")].first(FOLDERS).each { |folder| note(folder.chomp("/")) }
        end
      end
    end

    FOLDERS = 500 # of one loader

    private

    # A script was compiled: a file that is required or loaded, config.ru, a template.
    def compiled(sequence)
      path = sequence.absolute_path || sequence.path
      return if path.nil? || path.empty? || path.start_with?("(", "<")

      path = ::File.expand_path(path)
      note(path) if mine?(path) && ::File.file?(path)
    end
  end

  # Holds the app, and keeps it fresh in the reload mode "module".
  class Reloader
    attr_reader :error, :app

    # What the app leaves behind when it is loaded anew, in a gem or as a thread, is its
    # own affair; by how much the process may grow is not.
    GROWN_KB = (ENV["RIP_GROWN_MB"] || 256).to_i * 1024

    def initialize
      @running = {} # thread → when its request began
      @tracker = RELOAD == "none" ? nil : Tracker.new
      @lock = Mutex.new
      @told = @known = nil
      @error = nil # why the newest code does not load; nil when it does
      @turns = Turns.new(AT_ONCE)
    end

    # Loads the app for the first time. Code that does not load ends the worker, but
    # not in development: there it is shown, and loaded again when it has changed.
    def start
      require "bundler/setup" if ENV["BUNDLE_GEMFILE"] || ::File.file?("#{ROOT}/Gemfile")
      $LOAD_PATH.unshift(ROOT) unless $LOAD_PATH.include?(ROOT)
      require "rack"
      @tracker&.start
      load_app
      @first_kb = resident_kb
      again_if_unfinished
    rescue SystemExit, Interrupt, SignalException
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException -- LoadError and SyntaxError are none of StandardError
      Ripd.again unless RELOAD == "none"
      raise if !DEVELOPMENT || RELOAD == "none"

      Ripd.report(e, nil, "the app does not load")
      @error = e
    end

    # One request's turn: a block that gets the app as the files are now, or nil when
    # it does not load.
    def turn
      refresh if RELOAD == "module"
      @turns.take
      begin
        @running[Thread.current] = Process.clock_gettime(Process::CLOCK_MONOTONIC) if RELOAD == "module" # for `alone`
        yield @error ? nil : @app
      ensure
        @running.delete(Thread.current) if RELOAD == "module"
        @turns.give
      end
    end

    # Tells ripd of files that were loaded since it was told last.
    def news
      version = @tracker ? @tracker.version + $LOADED_FEATURES.size : 0
      return if version == @told

      @lock.synchronize do
        @told = version
        files = files_for_ripd
        Ripd.register(files) if files != @known
        @known = files
      end
    end

    private

    # Rack 2 gives the options too.
    def load_app
      build = proc { Rack::Builder.parse_file(ENTRY).tap { @tracker&.note_autoload_folders } }
      app = @tracker ? @tracker.loading(&build) : build.call
      @app = app.is_a?(Array) ? app.first : app
      raise TypeError, "#{ENTRY} gives no Rack app: #{@app.inspect}" unless @app.respond_to?(:call)
    end

    def again_if_unfinished
      return if @tracker.nil? || @tracker.files.each_key.none? { |path| @tracker.unfinished?(path) }

      Ripd.again
    end

    # The files whose change means a new process: what was compiled, and libraries
    # in C. In the mode "module" the latter alone, unless the app is one that has a
    # way of its own.
    def files_for_ripd
      return [] unless @tracker

      features = $LOADED_FEATURES.select { |path| @tracker.mine?(path) }
      return features.grep_v(/\.rb\z/).sort if RELOAD == "module" && !fixed?

      files = features | @tracker.files.keys | [ENTRY]
      files |= files.map { |path| ::File.dirname(path) } if @error # what is missing may come
      files.sort
    end

    # Rails is not loaded twice in one process: its application is one object with
    # the process. ripd is told of all files and starts a new one.
    def fixed? = defined?(::Rails.application) && !::Rails.application.nil?

    def refresh
      return if fixed?

      @lock.synchronize do
        changed = @tracker.changed
        return if changed.empty? && !(@error && worth_trying?)

        alone { renew(changed) }
        @first_kb ||= resident_kb
        Process.kill("TERM", Process.pid) if resident_kb - @first_kb > GROWN_KB # it ends when what runs is answered
      end
    end

    # The process's memory.
    def resident_kb = ::File.read("/proc/self/status")[/^VmRSS:\s*(\d+)/, 1].to_i

    # What was missing may have come.
    def worth_trying? = @error.is_a?(LoadError) || @error.is_a?(NameError) || @error.is_a?(SystemCallError)

    HELD_SECONDS = 5 # for which a request may hold back a change

    # Waits until no request runs: a class must not vanish under one. A request that
    # hangs, or a stream that does not end, is not waited for.
    def alone
      others = 0
      while others < AT_ONCE
        if @turns.try
          others += 1
        elsif others + hanging >= AT_ONCE
          break
        else
          sleep 0.002
        end
      end
      yield
    ensure
      others.times { @turns.give }
    end

    # How many requests have run for longer than a change waits.
    def hanging = @running.values.count { |since| Process.clock_gettime(Process::CLOCK_MONOTONIC) - since > HELD_SECONDS }

    # Loads the app anew. When that fails, everything is as it was, and the error is kept.
    def renew(changed)
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      begin
        loop do
          @tracker.settle(changed)
          attempt
          changed = @tracker.changed # what was saved while it was loaded may be there in part
          break if changed.empty? || Process.clock_gettime(Process::CLOCK_MONOTONIC) > began + AWAY_SECONDS
        end
        @error = nil
      rescue SystemExit, Exception => e # rubocop:disable Lint/RescueException
        raise if e.is_a?(SignalException)

        if Process.clock_gettime(Process::CLOCK_MONOTONIC) < began + GRACE_SECONDS
          sleep 0.01
          changed = @tracker.changed
          retry
        end
        Ripd.report(e, nil, "the changed app does not load") if @error.nil? || e.message != @error.message
        @error = e
      end
    end

    def attempt
      since = @tracker.clock
      before = @tracker.files.to_h { |path, _| [path, @tracker.file(path, since)] }
      old = Unloaded.new(@tracker)
      @tracker.replace({})
      load_app
      @tracker.keep_gone(before)
    rescue Exception # rubocop:disable Lint/RescueException
      if old
        seen = @tracker.files
        Unloaded.new(@tracker) # what was loaded of the new code
        old.restore
        # The state that does not load is known: the next try comes when it has changed.
        @tracker.replace(before.merge(seen))
      end
      raise
    end
  end

  # The app's own code, taken out of the process: what it has defined, and Ruby's
  # notes of what was loaded.
  class Unloaded
    def initialize(tracker)
      @tracker = tracker
      unload_zeitwerk
      ::Sinatra::Application.reset! if defined?(::Sinatra::Application) && !::Sinatra::Application.routes.empty?
      @features, kept = $LOADED_FEATURES.partition { |path| path.end_with?(".rb") && tracker.mine?(path) }
      $LOADED_FEATURES.replace(kept)
      @constants = []
      take_from(Object, 2)
    end

    # What was put back has its place here, in Ruby's notes, and not in the app's files.
    RESTORED = Hash.new { |holders, holder| holders[holder] = {} }.compare_by_identity

    # Puts it back.
    def restore
      @constants.each do |holder, name, value|
        next if holder.const_defined?(name, false)

        holder.const_set(name, value)
        RESTORED[holder][name] = true
      end
      $LOADED_FEATURES.concat(@features - $LOADED_FEATURES)
    end

    private

    # Zeitwerk's loaders of the app's folders are made anew by the app's own code.
    def unload_zeitwerk
      return unless defined?(::Zeitwerk::Registry)

      ::Zeitwerk::Registry.loaders.dup.each do |loader|
        next unless loader.dirs.any? { |dir| @tracker.mine?("#{dir}/x") }

        begin
          loader.unload
        rescue ::Zeitwerk::Error
          nil # it was not set up yet
        end
        loader.unregister
      end
    end

    # Takes the constants whose place is in the app's files, and those that are
    # loaded from there when they are needed. The app may have put some into a
    # library's module.
    def take_from(holder, depth)
      holder.constants(false).each do |name|
        later = holder.autoload?(name, false)
        if later ? @tracker.mine?(feature(later)) : mine?(holder, name)
          value = later ? nil : holder.const_get(name, false)
          RESTORED[holder].delete(name) if RESTORED.key?(holder)
          holder.send(:remove_const, name)
          @constants << [holder, name, value] unless later
        elsif depth > 1 && !later
          inner = constant(holder, name)
          take_from(inner, depth - 1) if inner.instance_of?(Module) || inner.instance_of?(Class)
        end
      end
    end

    # The file behind what is given to autoload.
    def feature(path)
      return path if path.start_with?("/")

      $LOAD_PATH.resolve_feature_path(path)&.last || ""
    rescue LoadError
      ""
    end

    def mine?(holder, name)
      return true if RESTORED.key?(holder) && RESTORED[holder].key?(name)

      path, = holder.const_source_location(name, false)
      path.is_a?(String) && @tracker.mine?(path)
    rescue NameError
      false
    end

    def constant(holder, name)
      return nil if holder.equal?(Object) && DEPRECATED.include?(name)

      holder.const_get(name, false)
    rescue NameError, LoadError
      nil
    end

    # Constants of Ruby's that warn when they are looked at.
    DEPRECATED = %i[SortedSet].freeze
  end
end
