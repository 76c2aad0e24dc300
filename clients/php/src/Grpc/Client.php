<?php

declare(strict_types=1);

namespace Ringline\Grpc;

use Google\Protobuf\Internal\Message;
use Ringline\V1\WatchCallsRequest;
use Ringline\V1\WatchCallsResponse;

/**
 * A client of ringline.v1.CallService: gRPC over HTTP/2 by ext-curl, on one connection.
 *
 * A request's class says which RPC it is for: JoinCallRequest is sent to JoinCall, which answers a JoinCallResponse.
 *
 * All that is on its way moves only while one of the methods runs. A program that watches must not do other things for
 * longer than a few seconds between two messages: the server takes who does not answer its pings for dead.
 */
final class Client
{
    private const HTTP2_ERROR = 16; // CURLE_HTTP2, which PHP has no name for

    private \CurlMultiHandle $multi;
    /** @var list<string> */
    private readonly array $headers;
    /** @var array<int, Call> what is on its way */
    private array $calls = [];
    /** @var array<int, array{Call, int}> its transfers, by handle, with the HTTP version that was asked for */
    private array $transfers = [];
    private bool $hasConnected;

    /**
     * @param string $address as in localhost:50051
     * @param array<string, string> $metadata goes with every RPC; a value may be any bytes if its key ends in -bin
     */
    public function __construct(private readonly string $address, array $metadata = [])
    {
        $headers = ['content-type: application/grpc+proto', 'te: trailers', 'expect:', 'accept:'];
        foreach ($metadata as $key => $value) {
            $value = str_ends_with($key, '-bin') ? base64_encode($value) : $value;
            if (!preg_match('/^[0-9a-z_.-]+$/D', $key) || !preg_match('/^[\x20-\x7e]*$/D', $value)) {
                throw new \InvalidArgumentException("metadata $key: no header may be so; -bin takes any value");
            }
            $headers[] = $value === '' ? "$key;" : "$key: $value";
        }
        $this->headers = $headers;
        $this->open();
    }

    /**
     * Sends a request and returns the answer.
     *
     * @param float|null $timeout in seconds; null leaves it to the server, which gives 10
     * @throws RpcError
     */
    public function send(Message $request, ?float $timeout = null): Message
    {
        $answer = $error = null;
        $call = $this->start(
            $request,
            $timeout,
            static function (Message $message) use (&$answer): void {
                $answer = $message;
            },
            static function (?RpcError $e) use (&$error): void {
                $error = $e;
            },
        );
        while (!$call->hasEnded()) {
            $this->run(1.0);
        }
        return $answer ?? throw $error ?? new RpcError(Code::INTERNAL, 'no answer, and no error');
    }

    /**
     * Opens WatchCalls and yields what it brings, until the server ends it or the loop is left.
     *
     * @return \Generator<int, WatchCallsResponse>
     * @throws RpcError
     */
    public function watch(WatchCallsRequest $request): \Generator
    {
        $messages = [];
        $error = null;
        $call = $this->start(
            $request,
            null,
            static function (WatchCallsResponse $message) use (&$messages): void {
                $messages[] = $message;
            },
            static function (?RpcError $e) use (&$error): void {
                $error = $e;
            },
        );
        try {
            while ($messages !== [] || !$call->hasEnded()) {
                if ($messages === []) {
                    $this->run(1.0);
                } else {
                    yield array_shift($messages);
                }
            }
        } finally {
            $call->cancel();
        }
        if ($error !== null) {
            throw $error;
        }
    }

    /**
     * Starts an RPC, for programs that do several things at once: they call run() again and again.
     *
     * @param \Closure(Message): void $onMessage
     * @param \Closure(?RpcError): void $onEnd called once, with null if all went well
     */
    public function start(Message $request, ?float $timeout, \Closure $onMessage, \Closure $onEnd): Call
    {
        $class = $request::class;
        $method = substr($class, strlen('Ringline\\V1\\'), -strlen('Request'));
        $headers = $this->headers;
        if ($timeout !== null) {
            $headers[] = 'grpc-timeout: ' . min(99_999_999, max(1, (int) ceil($timeout * 1000))) . 'm';
        }
        $encoded = $request->serializeToString();
        $call = new Call(
            $this,
            "http://$this->address/ringline.v1.CallService/$method",
            pack('CN', 0, strlen($encoded)) . $encoded,
            $headers,
            $timeout === null ? null : microtime(true) + $timeout,
            substr($class, 0, -strlen('Request')) . 'Response',
            $onMessage,
            $onEnd,
        );
        $this->transfer($call, $this->hasConnected ? self::reusing() : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
        $this->hasConnected = true;
        return $call;
    }

    /** Says whether anything is on its way. */
    public function isBusy(): bool
    {
        return $this->calls !== [];
    }

    /** Moves on what is on its way, and waits up to so many seconds if there is nothing to do yet. */
    public function run(float $wait): void
    {
        if (curl_multi_select($this->multi, $wait) < 1 && $wait > 0) {
            usleep(1000); // it does not wait where libcurl has no socket to wait for
        }
        curl_multi_exec($this->multi, $running);
        while ($done = curl_multi_info_read($this->multi)) {
            $this->finish($done['handle'], $done['result']);
        }
        foreach ($this->calls as $call) {
            $call->deliver();
        }
        $this->calls = array_filter($this->calls, static fn(Call $call): bool => !$call->hasEnded());
    }

    /** Gives up all that is on its way, and the connection. */
    public function close(): void
    {
        foreach ($this->calls as $call) {
            $call->cancel();
        }
        $this->calls = [];
        curl_multi_close($this->multi);
    }

    /**
     * Takes a transfer back.
     *
     * @internal
     */
    public function release(\CurlHandle $handle): void
    {
        curl_multi_remove_handle($this->multi, $handle);
        unset($this->transfers[spl_object_id($handle)]);
    }

    /**
     * Tells the server at once of what was released: libcurl would tell it with the next request.
     *
     * @internal
     */
    public function flush(): void
    {
        if ($this->transfers === []) {
            curl_multi_close($this->multi);
            $this->open();
        } else {
            reset($this->transfers)[0]->flush();
        }
    }

    /**
     * Says whether a transfer that wants a connection of ours has opened one instead, which does not speak HTTP/2.
     *
     * @internal
     */
    public function isStray(\CurlHandle $handle): bool
    {
        [, $httpVersion] = $this->transfers[spl_object_id($handle)];
        return $httpVersion === CURL_HTTP_VERSION_2 && curl_getinfo($handle, CURLINFO_NUM_CONNECTS) > 0;
    }

    /**
     * Returns how to ask libcurl for an HTTP/2 connection that is there already. Before 8.0 it breaks when told to use
     * prior knowledge on one (curl issue 10634). Told the other thing it takes the connection as it is, but might find
     * none: see isStray.
     */
    private static function reusing(): int
    {
        return curl_version()['version_number'] < 0x080000 ? CURL_HTTP_VERSION_2 : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    }

    private function open(): void
    {
        $this->multi = curl_multi_init();
        curl_multi_setopt($this->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
        $this->hasConnected = false;
    }

    private function transfer(Call $call, int $httpVersion): void
    {
        $handle = $call->transfer($httpVersion);
        $this->calls[spl_object_id($call)] = $call;
        $this->transfers[spl_object_id($handle)] = [$call, $httpVersion];
        curl_multi_add_handle($this->multi, $handle);
    }

    private function finish(\CurlHandle $handle, int $result): void
    {
        [$call, $httpVersion] = $this->transfers[spl_object_id($handle)];
        $isStray = $this->isStray($handle);
        $isReuse = $result === self::HTTP2_ERROR && curl_getinfo($handle, CURLINFO_NUM_CONNECTS) === 0;
        $this->release($handle);
        if ($isStray && $call->isUnsent()) {
            $this->transfer($call, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
        } elseif ($isReuse && $call->isUnsent() && $httpVersion !== self::reusing()) {
            $this->transfer($call, self::reusing()); // another RPC has opened a connection meanwhile
        } else {
            $call->complete($result);
        }
    }
}
