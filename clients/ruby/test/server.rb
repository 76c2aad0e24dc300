# frozen_string_literal: true

require 'tmpdir'

# A real server, on a port and a database of its own.
class Server
  attr_reader :address

  def self.run
    Dir.mktmpdir do |folder|
      server = new(folder)
      yield server
    ensure
      server&.stop
    end
  end

  def initialize(folder)
    @database = File.join(folder, 'test.db')
    @address = '127.0.0.1:0'
    start
  end

  # Starts it again, where it was.
  def restart
    stop
    start
  end

  def stop
    Process.kill('TERM', @output.pid)
    @output.close
  end

  private

  def start
    @output = IO.popen([ENV.fetch('RINGLINE_SERVER'), 'serve', '--listen', @address, '--database', @database,
                        '--log-level', 'error'])
    @address = @output.gets[/serving on (\S+)/, 1]
  end
end
