<?php

declare(strict_types=1);

// Rings somebody, or waits to be rung and answers. With a server on localhost:50051, in two terminals:
//
//   php example.php answer bob
//   php example.php ring alice bob

require __DIR__ . '/autoload.php';

use Google\Protobuf\Internal\Message;
use Ringline\Grpc\Client;
use Ringline\Grpc\Code;
use Ringline\Grpc\RpcError;
use Ringline\V1\Call;
use Ringline\V1\CallData;
use Ringline\V1\CallDirection;
use Ringline\V1\CallingState;
use Ringline\V1\ChangeKind;
use Ringline\V1\EndReason;
use Ringline\V1\GetOrCreateCallRequest;
use Ringline\V1\JoinCallRequest;
use Ringline\V1\LeaveCallRequest;
use Ringline\V1\MemberInput;
use Ringline\V1\StopReason;
use Ringline\V1\ViewerState;
use Ringline\V1\WatchCallsRequest;

/** What a user can do: ring, or wait and answer. */
final class Phone
{
    private readonly Client $client;

    public function __construct(string $address, private readonly string $user)
    {
        // -bin: it need not be ASCII.
        $this->client = new Client($address, ['x-user-id-bin' => $user, 'x-device-id' => 'example']);
    }

    /** Rings the others, and hangs up when one of them has answered. */
    public function ring(array $others): void
    {
        $members = array_map(fn(string $id) => new MemberInput(['user_id' => $id]), [$this->user, ...$others]);
        $call = $this->act(new GetOrCreateCallRequest([
            'type' => 'default',
            'id' => 'example-' . bin2hex(random_bytes(4)),
            'ring' => true,
            'data' => new CallData(['members' => $members]),
        ]))->getCall();
        // The call whatever becomes of it, as it may be over before this watch begins.
        foreach ($this->changes(['cids' => [$call->getCid()]]) as $change) {
            switch ($change->getViewer()->getCallingState()) {
                case CallingState::CALLING_STATE_RINGING:
                    echo 'ringing ', implode(', ', $others), "\n";
                    break;
                case CallingState::CALLING_STATE_JOINED:
                    echo "answered; hanging up\n";
                    $this->act(new LeaveCallRequest(['type' => $call->getType(), 'id' => $call->getId()]));
                    break;
                default:
                    echo 'over: ', name(EndReason::class, $change->getCall()->getEndReason()), "\n";
                    return;
            }
        }
    }

    /** Answers what rings, until a call that rang is over. */
    public function answer(): void
    {
        $filter = [
            'directions' => [CallDirection::CALL_DIRECTION_INCOMING],
            'calling_states' => [CallingState::CALLING_STATE_RINGING, CallingState::CALLING_STATE_JOINED],
        ];
        foreach ($this->changes($filter) as $change) {
            if ($change->getKind() === ChangeKind::CHANGE_KIND_REMOVED) {
                echo 'over: ', name(StopReason::class, $change->getStopReason()), "\n";
                return;
            }
            if ($change->getViewer()->getCallingState() === CallingState::CALLING_STATE_RINGING) {
                $this->pickUp($change->getCall(), $change->getViewer());
            }
        }
    }

    private function pickUp(Call $call, ViewerState $viewer): void
    {
        echo "{$viewer->getRingerId()} rings\n";
        // It names the ring, so that a late tap never answers another one.
        $request = ['type' => $call->getType(), 'id' => $call->getId(), 'ring_id' => $viewer->getRingId()];
        try {
            $this->act(new JoinCallRequest($request));
            echo "in {$call->getCid()}\n";
        } catch (RpcError $e) {
            if ($e->status !== Code::FAILED_PRECONDITION) {
                throw $e;
            }
            echo "too late: {$e->reason()}\n"; // the stream tells what became of it
        }
    }

    /** Sends a request that acts. Its request_id makes it safe to repeat: it happens once. */
    private function act(Message $request): Message
    {
        $request->setRequestId(bin2hex(random_bytes(16)));
        for ($attempt = 1; true; $attempt++) {
            try {
                return $this->client->send($request, timeout: 5.0);
            } catch (RpcError $e) {
                if ($e->status !== Code::UNAVAILABLE || $attempt > 3) {
                    throw $e;
                }
                usleep($attempt * random_int(0, 1_000_000));
            }
        }
    }

    /** Yields what changes, until the loop is left: a stream that ends is opened again where it was. */
    private function changes(array $filter): Generator
    {
        $token = '';
        while (true) {
            $request = new WatchCallsRequest(['resume_token' => $token] + $filter);
            try {
                foreach ($this->client->watch($request) as $message) {
                    if ($message->hasReset()) {
                        $token = '';
                    }
                    $token = $message->getResumeToken() ?: $token; // empty until the snapshot is complete
                    if ($message->hasSnapshotComplete()) {
                        echo "watching\n";
                    }
                    if ($message->hasChange()) {
                        yield $message->getChange();
                    }
                }
            } catch (RpcError $e) {
                if ($e->status !== Code::UNAVAILABLE) {
                    throw $e;
                }
                fwrite(STDERR, "watching again: {$e->getMessage()}\n");
                usleep(random_int(0, 1_000_000));
            }
        }
    }
}

/** The name of an enum's value, or its number if a newer server sent it. */
function name(string $enum, int $value): string
{
    try {
        return $enum::name($value);
    } catch (UnexpectedValueException) {
        return "$value";
    }
}

[, $mode, $user] = $argv + ['', '', ''];
$others = array_slice($argv, 3);
if (!in_array([$mode, $others === []], [['answer', true], ['ring', false]], true)) {
    exit("usage: example.php answer USER | example.php ring USER WHOM...\n");
}
$phone = new Phone(getenv('RINGLINE_ADDRESS') ?: 'localhost:50051', $user);
try {
    $mode === 'ring' ? $phone->ring($others) : $phone->answer();
} catch (RpcError $e) {
    fwrite(STDERR, "{$e->reason()} {$e->status->name}: {$e->getMessage()}\n");
    exit(1);
}
