<?php

declare(strict_types=1);

// The conformance driver for PHP: what it must do is in conformance/protocol.md. Commands come on stdin, reports go to
// stdout. All runs in one loop.

require __DIR__ . '/../../../clients/php/autoload.php';

use Google\Protobuf\Internal\Message;
use Google\Rpc\BadRequest;
use Google\Rpc\ErrorInfo;
use Google\Rpc\RetryInfo;
use Ringline\Grpc\Call;
use Ringline\Grpc\Client;
use Ringline\Grpc\RpcError;

/** Does what the runner says. */
final class Driver
{
    /** @var array<string, Client> */
    private array $clients = [];
    /** @var array<string, Call> */
    private array $watches = [];

    /** Begins a command. */
    public function take(array $command): void
    {
        $report = static function (array $report) use ($command): void {
            report(['id' => $command['id']] + $report);
        };
        try {
            match ($command['op']) {
                'hello' => $report(['language' => 'php', 'sdk' => false, 'versions' => self::versions()]),
                'connect' => $this->connect($command, $report),
                'unary' => $this->unary($this->client($command), $command, $report),
                'watch' => $this->watch($this->client($command), $command, $report),
                'pause', 'resume', 'cancel' => $this->control($command, $report),
                'close' => $this->close($command, $report),
                default => throw new InvalidArgumentException("there is no op {$command['op']}"),
            };
        } catch (Throwable $e) { // it was the driver, not the server, that could not do it
            $report(['error' => ['code' => 'UNKNOWN', 'message' => 'driver: ' . $e::class . ": {$e->getMessage()}"]]);
        }
    }

    /** Moves on what is on its way. */
    public function run(): void
    {
        foreach ($this->clients as $client) {
            $client->run(0.0);
        }
    }

    public function isIdle(): bool
    {
        return array_filter($this->clients, static fn(Client $client): bool => $client->isBusy()) === [];
    }

    private static function versions(): array
    {
        return ['php' => PHP_VERSION, 'libcurl' => curl_version()['version']];
    }

    private function connect(array $command, Closure $report): void
    {
        $metadata = [];
        foreach ($command['metadata'] ?? [] as $key => $value) {
            $metadata[$key] = str_ends_with($key, '-bin') ? base64_decode($value) : $value;
        }
        $this->clients[$command['client']] = new Client($command['address'], $metadata);
        $report([]);
    }

    private function client(array $command): Client
    {
        return $this->clients[$command['client']] ?? throw new OutOfBoundsException("no client {$command['client']}");
    }

    private function unary(Client $client, array $command, Closure $report): void
    {
        $answer = null;
        $client->start(
            request($command['method'], $command),
            $command['timeout'] ?? null,
            static function (Message $message) use (&$answer): void {
                $answer = $message;
            },
            static function (?RpcError $error) use (&$answer, $report): void {
                $report($error === null ? ['response' => shown($answer)] : ['error' => explained($error)]);
            },
        );
    }

    private function watch(Client $client, array $command, Closure $report): void
    {
        $name = $command['watch'];
        $this->watches[$name] = $client->start(
            request('WatchCalls', $command),
            null,
            static fn(Message $message) => report(['watch' => $name, 'message' => shown($message)]),
            static fn(?RpcError $error) => report(['watch' => $name, 'end' => explained($error)]),
        );
        $report([]);
    }

    private function control(array $command, Closure $report): void
    {
        $watch = $this->watches[$command['watch']] ?? throw new OutOfBoundsException("no watch {$command['watch']}");
        $report([]);
        match ($command['op']) {
            'pause' => $watch->pause(),
            'resume' => $watch->resume(),
            'cancel' => $watch->cancel(),
        };
    }

    private function close(array $command, Closure $report): void
    {
        $this->client($command)->close();
        unset($this->clients[$command['client']]);
        $report([]);
    }
}

/** Says something to the runner. */
function report(array $report): void
{
    fwrite(STDOUT, json_encode($report, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES) . "\n");
}

function request(string $method, array $command): Message
{
    $class = "Ringline\\V1\\{$method}Request";
    $request = new $class();
    $request->mergeFromJsonString(json_encode($command['request'] ?? new stdClass(), JSON_THROW_ON_ERROR));
    return $request;
}

/** Returns a message as JSON. Not as arrays: they do not tell {} from []. */
function shown(Message $message): stdClass
{
    return json_decode($message->serializeToJsonString(), flags: JSON_THROW_ON_ERROR);
}

/** Returns how an RPC ended, with what the details say. */
function explained(?RpcError $error): array
{
    if ($error === null) {
        return ['code' => 'OK'];
    }
    $report = ['code' => $error->status->name, 'message' => $error->getMessage()];
    if ($info = $error->detail(ErrorInfo::class)) {
        $report['reason'] = $info->getReason();
        $report['metadata'] = (object) iterator_to_array($info->getMetadata());
    }
    if ($bad = $error->detail(BadRequest::class)) {
        foreach ($bad->getFieldViolations() as $violation) {
            $report['fields'][] = $violation->getField();
        }
    }
    if ($delay = $error->detail(RetryInfo::class)?->getRetryDelay()) {
        $report['retryAfter'] = $delay->getSeconds() + $delay->getNanos() / 1e9;
    }
    return $report;
}

ini_set('display_errors', 'stderr');
foreach (['curl', 'bcmath'] as $extension) { // google/protobuf writes JSON with the second
    if (!extension_loaded($extension)) {
        fwrite(STDERR, "driver: PHP has no extension $extension\n");
        exit(1);
    }
}
stream_set_blocking(STDIN, false);
$driver = new Driver();
$input = '';
while (!feof(STDIN)) {
    // PHP cannot wait for libcurl's sockets and another one at once: while RPCs are under way it looks at both in turn.
    $read = [STDIN];
    $none = null;
    stream_select($read, $none, $none, $driver->isIdle() ? 3600 : 0, 5_000);
    $input .= $read === [] ? '' : fread(STDIN, 65536);
    while (($end = strpos($input, "\n")) !== false) {
        $driver->take((array) json_decode(substr($input, 0, $end), flags: JSON_THROW_ON_ERROR));
        $input = substr($input, $end + 1);
    }
    $driver->run();
}
