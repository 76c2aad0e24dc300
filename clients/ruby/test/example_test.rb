# frozen_string_literal: true

require 'minitest/autorun'
require 'open3'
require 'timeout'
require_relative 'server'

# Runs the programs that a reader is shown, as they would.
class ExampleTest < Minitest::Test
  FOLDER = File.expand_path('..', __dir__)
  RUBY = %w[ruby -E UTF-8 -I lib].freeze
  PATIENCE = 30

  def test_one_rings_and_the_other_answers
    Server.run do |server|
      phone = start(server, 'example.rb', 'answer', 'my friend ☎')
      assert_equal "watching\n", line(phone)
      ring(server, 'myself', 'my friend ☎')
      assert_answered(phone)
    end
  end

  def test_a_phone_lives_through_a_restart_of_the_server
    Server.run do |server|
      phone = start(server, 'example.rb', 'answer', 'my friend ☎')
      assert_equal "watching\n", line(phone)
      server.restart
      assert_equal "watching\n", line(phone)
      ring(server, 'myself', 'my friend ☎')
      assert_answered(phone)
    end
  end

  def test_what_is_refused_is_said_with_its_reason
    Server.run do |server|
      said, status = finish(server, 'example.rb', 'ring', 'alice', 'bob', 'bob')
      refute status.success?
      assert_match(/\AINVALID_FIELD \{"field"=>"data\.members\[2\]\.user_id"\}: /, said)
    end
  end

  def test_the_quick_start_answers_what_rings
    Server.run do |server|
      quick_start = File.read(File.join(FOLDER, 'README.md'))[/```ruby\n(.*?)```/m, 1]
      assert_includes quick_start, 'localhost:50051'
      bob = start(server, '-e', quick_start.sub('localhost:50051', server.address))
      ring(server, 'alice', 'bob')
      assert_equal "answered alice\n", line(bob)
      Process.kill('KILL', bob.pid)
      bob.close
    end
  end

  def test_ctrl_c_ends_a_phone_that_waits
    Server.run do |server|
      phone = start(server, 'example.rb', 'answer', 'bob')
      assert_equal "watching\n", line(phone)
      Process.kill('INT', phone.pid)
      Timeout.timeout(5) { phone.close } # it is without news from the server for longer
      assert_equal 2, Process.last_status.termsig
    end
  end

  private

  def ring(server, user, whom)
    said, status = finish(server, 'example.rb', 'ring', user, whom)
    assert status.success?, said
    assert_includes said, 'answered; hanging up'
    assert_includes said, 'over: END_REASON_LEFT_ALONE'
  end

  def assert_answered(phone)
    assert_equal "myself rings\n", line(phone)
    assert_match(/\Ain default:example-/, line(phone))
    assert_equal "over: STOP_REASON_ENDED\n", line(phone)
    phone.close
    assert_predicate Process.last_status, :success?
  end

  def start(server, *arguments)
    IO.popen([environment(server), *RUBY, *arguments, { chdir: FOLDER, err: File::NULL }])
  end

  def finish(server, *arguments)
    Open3.capture2e(environment(server), *RUBY, *arguments, chdir: FOLDER)
  end

  def environment(server)
    { 'RINGLINE_ADDRESS' => server.address }
  end

  def line(program)
    Timeout.timeout(PATIENCE) { program.gets }
  end
end
