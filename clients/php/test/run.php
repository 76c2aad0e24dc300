<?php

declare(strict_types=1);

// The tests. Each runs against a real server, and says by an exception what is not as it should be.

require __DIR__ . '/../autoload.php';
require __DIR__ . '/Server.php';
require __DIR__ . '/Program.php';

use Google\Protobuf\Duration;
use Ringline\Grpc\Client;
use Ringline\Grpc\Code;
use Ringline\Grpc\RpcError;
use Ringline\V1\ListCallsRequest;
use Ringline\V1\WatchCallsRequest;

const FRIEND = 'my friend ☎';

function same(mixed $expected, mixed $found): void
{
    if ($expected !== $found) {
        throw new Exception('expected ' . var_export($expected, true) . ', found ' . var_export($found, true));
    }
}

function contains(string $expected, string $found): void
{
    if (!str_contains($found, $expected)) {
        throw new Exception("expected to find $expected in: $found");
    }
}

function fails(Code $expected, Closure $do): RpcError
{
    try {
        $do();
    } catch (RpcError $e) {
        same($expected, $e->status);
        return $e;
    }
    throw new Exception("expected $expected->name, and nothing failed");
}

function rings(Server $server, string $user, string $whom): void
{
    $said = (new Program($server, 'example.php', 'ring', $user, $whom))->rest();
    contains("answered; hanging up\n", $said);
    contains("over: END_REASON_LEFT_ALONE\n", $said);
}

function answered(Program $phone): void
{
    same('myself rings', $phone->line());
    contains('in default:example-', $phone->line());
    same('over: STOP_REASON_ENDED', $phone->line());
    same('', $phone->rest());
}

$tests = [
    'one rings and the other answers' => static function (Server $server): void {
        $phone = new Program($server, 'example.php', 'answer', FRIEND);
        same('watching', $phone->line());
        rings($server, 'myself', FRIEND);
        answered($phone);
    },
    'a phone lives through a restart of the server' => static function (Server $server): void {
        $phone = new Program($server, 'example.php', 'answer', FRIEND);
        same('watching', $phone->line());
        $server->restart();
        while (str_starts_with($line = $phone->line(), 'watching again: ')) {
            // as often as it takes
        }
        same('watching', $line);
        rings($server, 'myself', FRIEND);
        answered($phone);
    },
    'what is refused is said with its reason' => static function (Server $server): void {
        $said = (new Program($server, 'example.php', 'ring', 'alice', 'bob', 'bob'))->rest();
        contains('INVALID_FIELD INVALID_ARGUMENT: data.members[2].user_id', $said);
    },
    'the quick start answers what rings' => static function (Server $server): void {
        preg_match('/```php\n<\?php\n(.*?)```/s', file_get_contents(__DIR__ . '/../README.md'), $found);
        contains("'localhost:50051'", $found[1]);
        $bob = new Program($server, '-r', str_replace('localhost:50051', $server->address, $found[1]));
        rings($server, 'alice', 'bob');
        same('answered alice', $bob->line());
        $bob->kill();
    },
    'requests go on while a stream is open, and it goes on after them' => static function (Server $server): void {
        $client = new Client($server->address, ['x-user-id' => 'bob']);
        $watch = $client->watch(new WatchCallsRequest(['heartbeat_interval' => new Duration(['seconds' => 5])]));
        same(true, $watch->current()->hasSnapshotComplete());
        for ($i = 0; $i < 50; $i++) {
            same(0, count($client->send(new ListCallsRequest())->getItems()));
        }
        $watch->next();
        same(true, $watch->current()->hasHeartbeat());
        $client->close();
    },
    'a server that says nothing is not waited for longer than allowed' => static function (Server $server): void {
        $silent = stream_socket_server('tcp://127.0.0.1:0');
        $client = new Client(stream_socket_get_name($silent, false), ['x-user-id' => 'bob']);
        $begin = microtime(true);
        $error = fails(Code::DEADLINE_EXCEEDED, static fn() => $client->send(new ListCallsRequest(), timeout: 0.2));
        same('', $error->reason());
        same(true, microtime(true) - $begin < 5);
    },
    'where nobody listens is unavailable' => static function (Server $server): void {
        $gone = stream_socket_server('tcp://127.0.0.1:0');
        $client = new Client(stream_socket_get_name($gone, false), ['x-user-id' => 'bob']);
        fclose($gone);
        fails(Code::UNAVAILABLE, static fn() => $client->send(new ListCallsRequest(), timeout: 5.0));
    },
    'a client goes on after the server was restarted' => static function (Server $server): void {
        $client = new Client($server->address, ['x-user-id' => 'bob']);
        $client->send(new ListCallsRequest());
        $server->restart();
        same(0, count($client->send(new ListCallsRequest())->getItems()));
    },
    'what is no header is not sent' => static function (Server $server): void {
        try {
            new Client($server->address, ['x-user-id' => "bob\r\nx-role: admin"]);
        } catch (InvalidArgumentException $e) {
            contains('metadata x-user-id', $e->getMessage());
            return;
        }
        throw new Exception('a line break went through');
    },
];

$failed = 0;
foreach ($tests as $title => $test) {
    $server = new Server();
    try {
        $test($server);
        echo "ok      $title\n";
    } catch (Throwable $e) {
        $failed++;
        echo "FAILED  $title\n        {$e->getMessage()} (line {$e->getLine()})\n";
    } finally {
        $server->close();
    }
}
exit($failed === 0 ? 0 : 1);
