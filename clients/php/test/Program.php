<?php

declare(strict_types=1);

/** A PHP program that runs beside the test. */
final class Program
{
    private const PATIENCE = 30;

    /** @var resource */
    private $process;
    /** @var resource */
    private $output;

    public function __construct(Server $server, string ...$arguments)
    {
        $environment = ['RINGLINE_ADDRESS' => $server->address] + getenv();
        $this->process = proc_open(
            [PHP_BINARY, ...$arguments],
            [1 => ['pipe', 'w'], 2 => ['redirect', 1]],
            $pipes,
            dirname(__DIR__),
            $environment,
        );
        $this->output = $pipes[1];
        stream_set_timeout($this->output, self::PATIENCE);
    }

    public function line(): string
    {
        return rtrim((string) fgets($this->output));
    }

    /** Waits for its end, and returns what it said. */
    public function rest(): string
    {
        return (string) stream_get_contents($this->output);
    }

    public function kill(): void
    {
        proc_terminate($this->process, 9);
        proc_close($this->process);
    }
}
