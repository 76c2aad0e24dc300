# frozen_string_literal: true

# The conformance driver for Ruby: what it must do is in conformance/protocol.md. Commands come on stdin, reports go to
# stdout. What may take long runs in a thread of its own.

$LOAD_PATH.unshift File.expand_path('../../../clients/ruby/lib', __dir__)

require 'base64'
require 'google/protobuf/well_known_types'
require 'google/rpc/error_details_pb'
require 'json'
require 'ringline/v1/call_service_services_pb'

V1 = Ringline::V1

# Where reports go, a line each.
class Reports
  def initialize(out)
    @out = out
    @lock = Mutex.new
  end

  def send(report)
    @lock.synchronize do
      @out.puts JSON.generate(report)
      @out.flush
    end
  end
end

# A client of the generated stubs: one channel, and the metadata of every RPC.
class Client
  CHANNEL = {
    'grpc.use_local_subchannel_pool' => 1,
    'grpc.max_receive_message_length' => -1,
    'grpc.enable_retries' => 0
  }.freeze

  def initialize(address, metadata)
    @metadata = metadata.to_h { |key, value| [key, key.end_with?('-bin') ? Base64.strict_decode64(value) : value] }
    @channel = GRPC::Core::Channel.new(address, CHANNEL, :this_channel_is_insecure)
    @stub = V1::CallService::Stub.new(address, :this_channel_is_insecure, channel_override: @channel)
    @watches = []
  end

  def unary(method, request, timeout)
    name, description = V1::CallService::Service.rpc_descs.find { |name, _| name.to_s == method }
    raise ArgumentError, "there is no method #{method}" unless name

    deadline = timeout && (Time.now + timeout)
    @stub.public_send(GRPC::GenericService.underscore(method), description.input.decode_json(JSON.generate(request)),
                      metadata: @metadata, deadline:)
  end

  def watch(request)
    request = V1::WatchCallsRequest.decode_json(JSON.generate(request))
    Watch.new(@stub.watch_calls(request, metadata: @metadata, return_op: true)).tap { |watch| @watches << watch }
  end

  def close
    @watches.each(&:cancel)
    @channel.close
  end
end

# A stream that can be paused: while nothing is read, flow control holds the server back.
class Watch
  def initialize(operation)
    @operation = operation
    @gate = Mutex.new
    @opened = ConditionVariable.new
    @paused = false
  end

  def pause
    @gate.synchronize { @paused = true }
  end

  def resume
    @gate.synchronize do
      @paused = false
      @opened.broadcast
    end
  end

  def cancel
    @operation.cancel
    resume
  end

  def each_message
    @operation.execute.each do |message|
      yield message
      @gate.synchronize { @opened.wait(@gate) while @paused }
    end
  end
end

# Returns an RPC's failure, with what its details say.
def explained(error)
  code = GRPC::Core::StatusCodes.constants.find { |name| GRPC::Core::StatusCodes.const_get(name) == error.code }
  report = { code:, message: error.details }
  (error.to_rpc_status&.details || []).each do |detail|
    if (info = detail.unpack(Google::Rpc::ErrorInfo))
      report.update(reason: info.reason, metadata: info.metadata.to_h)
    elsif (bad = detail.unpack(Google::Rpc::BadRequest))
      report[:fields] = bad.field_violations.map(&:field)
    elsif (retry_info = detail.unpack(Google::Rpc::RetryInfo))
      report[:retryAfter] = retry_info.retry_delay.to_f
    end
  end
  report
end

# Does what the runner says.
class Driver
  VERSIONS = %w[grpc google-protobuf].to_h { |name| [name, Gem.loaded_specs.fetch(name).version.to_s] }.freeze

  def initialize(reports)
    @reports = reports
    @clients = {}
    @watches = {}
  end

  def take(command)
    answered(command) do
      case command['op']
      when 'hello' then { language: 'ruby', sdk: false, versions: { ruby: RUBY_VERSION, **VERSIONS } }
      when 'connect'
        @clients[command['client']] = Client.new(command['address'], command.fetch('metadata', {}))
        {}
      when 'unary' then unary(@clients.fetch(command['client']), command)
      when 'watch' then watch(@clients.fetch(command['client']), command)
      when 'pause', 'resume', 'cancel' then control(@watches.fetch(command['watch']), command)
      when 'close'
        @clients.delete(command['client']).close
        {}
      else raise ArgumentError, "there is no op #{command['op']}"
      end
    end
  end

  def close
    @clients.each_value(&:close)
  end

  private

  # Reports what the block returns, as the answer to a command, unless that is nil: then it is answered elsewhere.
  def answered(command)
    answer = begin
      yield
    rescue GRPC::BadStatus => e
      { error: explained(e) }
    rescue StandardError => e # it was the driver, not the server, that could not do it
      { error: { code: 'UNKNOWN', message: "driver: #{e.class}: #{e.message}" } }
    end
    @reports.send({ id: command['id'], **answer }) if answer
  end

  def unary(client, command)
    Thread.new do
      answered(command) do
        response = client.unary(command['method'], command.fetch('request', {}), command['timeout'])
        { response: JSON.parse(response.to_json) }
      end
    end
    nil
  end

  # The answer comes before all that it brings.
  def watch(client, command)
    name = command['watch']
    watch = @watches[name] = client.watch(command.fetch('request', {}))
    @reports.send({ id: command['id'] })
    Thread.new do
      watch.each_message { |message| @reports.send({ watch: name, message: JSON.parse(message.to_json) }) }
      @reports.send({ watch: name, end: { code: 'OK' } })
    rescue GRPC::BadStatus => e
      @reports.send({ watch: name, end: explained(e) })
    end
    nil
  end

  def control(watch, command)
    @reports.send({ id: command['id'] })
    watch.public_send(command['op'])
    nil
  end
end

driver = Driver.new(Reports.new($stdout))
$stdin.set_encoding(Encoding::UTF_8)
$stdin.each_line { |line| driver.take(JSON.parse(line)) }
driver.close
