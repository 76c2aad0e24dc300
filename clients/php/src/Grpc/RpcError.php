<?php

declare(strict_types=1);

namespace Ringline\Grpc;

use Google\Protobuf\Internal\Message;
use Google\Rpc\ErrorInfo;
use Google\Rpc\Status;

/** How an RPC failed: the status, and the details by which to decide what to do. */
final class RpcError extends \RuntimeException
{
    /** @param string $details an encoded google.rpc.Status, empty if the error came from the transport */
    public function __construct(
        public readonly Code $status,
        string $message,
        private readonly string $details = '',
    ) {
        parent::__construct($message, $status->value);
    }

    /** The name of an ErrorReason without its prefix. Empty if it did not come from the server. */
    public function reason(): string
    {
        return $this->detail(ErrorInfo::class)?->getReason() ?? '';
    }

    /**
     * The detail of this class, null if there is none: ErrorInfo, BadRequest or RetryInfo of Google\Rpc.
     *
     * @template T of Message
     * @param class-string<T> $class
     * @return T|null
     */
    public function detail(string $class): ?Message
    {
        $status = new Status();
        $status->mergeFromString($this->details);
        $type = 'type.googleapis.com/google.rpc.' . (new \ReflectionClass($class))->getShortName();
        foreach ($status->getDetails() as $any) {
            if ($any->getTypeUrl() === $type) { // Any::unpack would throw on types that were not loaded yet
                $detail = new $class();
                $detail->mergeFromString($any->getValue());
                return $detail;
            }
        }
        return null;
    }
}
