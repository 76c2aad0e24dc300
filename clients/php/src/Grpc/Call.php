<?php

declare(strict_types=1);

namespace Ringline\Grpc;

use Google\Protobuf\Internal\Message;

/** One RPC on its way, unary or stream. Client makes it and moves it on. */
final class Call
{
    private const ABORT = 0x10000000; // CURL_READFUNC_ABORT, which PHP has no name for

    private \CurlHandle $handle;
    private int $sent = 0;
    private string $received = '';
    private int $httpStatus = 0;
    /** @var array<string, string> headers, then trailers, by name */
    private array $metadata = [];
    private bool $paused = false;
    private bool $complete = false;
    private bool $ended = false;
    private ?RpcError $error = null;

    /**
     * @param string $body the request as it is sent, with its prefix
     * @param list<string> $headers
     * @param float|null $deadline when time is up, as microtime(true) tells it
     * @param class-string<Message> $response
     * @param \Closure(Message): void $onMessage
     * @param \Closure(?RpcError): void $onEnd
     */
    public function __construct(
        private readonly Client $client,
        private readonly string $url,
        private readonly string $body,
        private readonly array $headers,
        private readonly ?float $deadline,
        private readonly string $response,
        private readonly \Closure $onMessage,
        private readonly \Closure $onEnd,
    ) {
    }

    public function hasEnded(): bool
    {
        return $this->ended;
    }

    /** Stops to deliver, and to read: once its window is full, the server has to wait. */
    public function pause(): void
    {
        $this->paused = true;
        curl_pause($this->handle, CURLPAUSE_RECV);
    }

    public function resume(): void
    {
        $this->paused = false;
        curl_pause($this->handle, CURLPAUSE_CONT);
    }

    /** Gives it up. It ends with CANCELLED, unless it has ended. */
    public function cancel(): void
    {
        if (!$this->ended) {
            $this->client->release($this->handle);
            $this->client->flush();
            $this->end(new RpcError(Code::CANCELLED, 'cancelled by the client'));
        }
    }

    /**
     * A new transfer of this RPC.
     *
     * @internal
     */
    public function transfer(int $httpVersion): \CurlHandle
    {
        $this->sent = 0;
        $this->handle = curl_init($this->url);
        curl_setopt_array($this->handle, [
            CURLOPT_HTTP_VERSION => $httpVersion,
            CURLOPT_PIPEWAIT => true, // one connection for all: wait until it is known whether it can be shared
            CURLOPT_CUSTOMREQUEST => 'POST',
            CURLOPT_HTTPHEADER => $this->headers,
            // Not POSTFIELDS: those libcurl sends again by itself if the connection is lost before an answer.
            // Of known size, so that the request ends with its last byte: libcurl 7.88 loses answers that come before.
            CURLOPT_UPLOAD => true,
            CURLOPT_INFILESIZE => strlen($this->body),
            CURLOPT_READFUNCTION => $this->read(...),
            CURLOPT_HEADERFUNCTION => $this->header(...),
            CURLOPT_WRITEFUNCTION => $this->write(...),
        ]);
        if ($this->deadline !== null) {
            $left = (int) ceil(($this->deadline - microtime(true)) * 1000);
            curl_setopt($this->handle, CURLOPT_TIMEOUT_MS, max(1, $left));
        }
        return $this->handle;
    }

    /**
     * Makes libcurl send what it holds back on the connection: a change of what is paused does.
     *
     * @internal
     */
    public function flush(): void
    {
        curl_pause($this->handle, $this->paused ? CURLPAUSE_CONT : CURLPAUSE_RECV);
        curl_pause($this->handle, $this->paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
    }

    /**
     * Says whether nothing was sent that a server could act on.
     *
     * @internal
     */
    public function isUnsent(): bool
    {
        return $this->sent === 0;
    }

    /**
     * Takes the result of its transfer.
     *
     * @internal
     */
    public function complete(int $result): void
    {
        $this->complete = true;
        $this->error = $this->errorOf($result);
    }

    /**
     * Hands on what has come.
     *
     * @internal
     */
    public function deliver(): void
    {
        while (!$this->paused && !$this->ended && strlen($this->received) >= 5) {
            ['compressed' => $compressed, 'length' => $length] = unpack('Ccompressed/Nlength', $this->received);
            if (strlen($this->received) < 5 + $length) {
                break;
            }
            $encoded = substr($this->received, 5, $length);
            $this->received = substr($this->received, 5 + $length);
            $message = new $this->response();
            try {
                $compressed === 0 || throw new \Exception('it is compressed, and that was not offered');
                $message->mergeFromString($encoded);
            } catch (\Exception $e) {
                $this->client->release($this->handle);
                $this->end(new RpcError(Code::INTERNAL, "a message cannot be read: {$e->getMessage()}"));
                return;
            }
            ($this->onMessage)($message);
        }
        if ($this->complete && !$this->paused && !$this->ended) {
            $cut = $this->received === '' ? null : new RpcError(Code::INTERNAL, 'the last message is not whole');
            $this->end($this->error ?? $cut);
        }
    }

    private function end(?RpcError $error): void
    {
        $this->ended = true;
        ($this->onEnd)($error);
    }

    private function read(\CurlHandle $handle, mixed $file, int $length): string|int
    {
        if ($this->client->isStray($handle)) {
            return self::ABORT;
        }
        $part = substr($this->body, $this->sent, $length);
        $this->sent += strlen($part);
        return $part;
    }

    private function header(\CurlHandle $handle, string $line): int
    {
        if (str_starts_with($line, 'HTTP/')) {
            $this->httpStatus = (int) explode(' ', $line)[1];
            $this->metadata = [];
        } elseif (str_contains($line, ':')) {
            [$key, $value] = explode(':', $line, 2);
            $this->metadata[strtolower($key)] = trim($value);
        }
        return strlen($line);
    }

    private function write(\CurlHandle $handle, string $data): int
    {
        $this->received .= $data;
        return strlen($data);
    }

    private function errorOf(int $result): ?RpcError
    {
        $status = $this->metadata['grpc-status'] ?? null;
        if ($status === '0') {
            return null;
        }
        if ($status !== null) {
            return new RpcError(
                Code::tryFrom((int) $status) ?? Code::UNKNOWN,
                rawurldecode($this->metadata['grpc-message'] ?? ''),
                base64_decode($this->metadata['grpc-status-details-bin'] ?? ''),
            );
        }
        if ($result === CURLE_OPERATION_TIMEOUTED) {
            return new RpcError(Code::DEADLINE_EXCEEDED, 'the time is up');
        }
        if ($result !== CURLE_OK) {
            return new RpcError(Code::UNAVAILABLE, curl_error($this->handle) ?: curl_strerror($result));
        }
        if ($this->httpStatus === 200) {
            return new RpcError(Code::UNAVAILABLE, 'the connection was closed before the status came');
        }
        return new RpcError(Code::ofHttp($this->httpStatus), "HTTP status $this->httpStatus, and none of gRPC");
    }
}
