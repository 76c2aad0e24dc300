# frozen_string_literal: true

# Rings somebody, or waits to be rung and answers. With a server on localhost:50051, in two terminals:
#
#   ruby -I lib example.rb answer bob
#   ruby -I lib example.rb ring alice bob

require 'google/protobuf/well_known_types' # unpack
require 'google/rpc/error_details_pb'
require 'ringline/v1/call_service_services_pb'
require 'securerandom'

V1 = Ringline::V1

# What a user can do: ring, or wait and answer.
class Phone
  # It pings, so as to notice a connection that is dead.
  CHANNEL = { 'grpc.keepalive_time_ms' => 20_000, 'grpc.keepalive_timeout_ms' => 10_000 }.freeze

  def initialize(address, user)
    @user = user
    @stub = V1::CallService::Stub.new(address, :this_channel_is_insecure, channel_args: CHANNEL)
    @identity = { 'x-user-id-bin' => user.b, 'x-device-id' => 'example' } # -bin: it need not be ASCII
  end

  # Rings the others, and hangs up when one of them has answered.
  def ring(others)
    members = [@user, *others].map { |id| V1::MemberInput.new(user_id: id) }
    call = act(:get_or_create_call, V1::GetOrCreateCallRequest,
               type: 'default', id: "example-#{SecureRandom.hex(4)}", ring: true,
               data: V1::CallData.new(members:)).call
    # The call whatever becomes of it, as it may be over before this watch begins.
    watch(cids: [call.cid]) do |change|
      case change.viewer.calling_state
      when :CALLING_STATE_RINGING
        puts "ringing #{others.join(', ')}"
      when :CALLING_STATE_JOINED
        puts 'answered; hanging up'
        act(:leave_call, V1::LeaveCallRequest, type: call.type, id: call.id)
      else
        return puts("over: #{change.call.end_reason}")
      end
    end
  end

  # Answers what rings, until a call that rang is over.
  def answer
    watch(directions: [:CALL_DIRECTION_INCOMING],
          calling_states: %i[CALLING_STATE_RINGING CALLING_STATE_JOINED]) do |change|
      return puts("over: #{change.stop_reason}") if change.kind == :CHANGE_KIND_REMOVED

      pick_up(change.call, change.viewer) if change.viewer.calling_state == :CALLING_STATE_RINGING
    end
  end

  private

  def pick_up(call, viewer)
    puts "#{viewer.ringer_id} rings"
    # It names the ring, so that a late tap never answers another one.
    act(:join_call, V1::JoinCallRequest, type: call.type, id: call.id, ring_id: viewer.ring_id)
    puts "in #{call.cid}"
  rescue GRPC::FailedPrecondition => e
    puts "too late: #{reason(e)}" # the stream tells what became of it
  end

  # Sends a request that acts. Its request_id makes it safe to repeat: it happens once.
  def act(method, request, **fields)
    message = request.new(request_id: SecureRandom.uuid, **fields)
    attempts = 0
    begin
      @stub.public_send(method, message, metadata: @identity, deadline: Time.now + 5)
    rescue GRPC::Unavailable
      raise if (attempts += 1) > 3

      sleep rand * attempts
      retry
    end
  end

  # Yields what changes, until the block is left: a stream that ends is opened again where it was.
  def watch(**filter)
    token = ''
    loop do
      @stub.watch_calls(V1::WatchCallsRequest.new(resume_token: token, **filter), metadata: @identity).each do |message|
        token = '' if message.event == :reset
        token = message.resume_token unless message.resume_token.empty? # it is, until the snapshot is complete
        puts 'watching' if message.event == :snapshot_complete
        yield message.change if message.event == :change
      end
    rescue GRPC::Unavailable => e
      warn "watching again: #{e.details}"
      sleep rand
    end
  end
end

# Returns why the server refused: the reason to decide by, and its metadata.
def reason(error)
  details = error.to_rpc_status&.details || []
  info = details.filter_map { |detail| detail.unpack(Google::Rpc::ErrorInfo) }.first
  info ? "#{info.reason} #{info.metadata.to_h}" : error.class.name
end

$stdout.sync = true
trap('INT', 'SYSTEM_DEFAULT') # gRPC waits for messages without looking at Ruby's signals
mode, user, *others = ARGV
abort 'usage: example.rb answer USER | example.rb ring USER WHOM...' unless user && (mode == 'answer') == others.empty?
phone = Phone.new(ENV.fetch('RINGLINE_ADDRESS', 'localhost:50051'), user)
begin
  mode == 'ring' ? phone.ring(others) : phone.answer
rescue GRPC::BadStatus => e
  abort "#{reason(e)}: #{e.details}"
end
