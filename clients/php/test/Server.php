<?php

declare(strict_types=1);

/** A real server, on a port and a database of its own. */
final class Server
{
    public string $address = '127.0.0.1:0';
    private readonly string $folder;
    /** @var resource */
    private $process;

    public function __construct()
    {
        $this->folder = sys_get_temp_dir() . '/ringline-' . bin2hex(random_bytes(8));
        mkdir($this->folder);
        $this->start();
    }

    /** Starts it again, where it was. */
    public function restart(): void
    {
        $this->stop();
        $this->start();
    }

    public function close(): void
    {
        $this->stop();
        array_map('unlink', glob("$this->folder/*"));
        rmdir($this->folder);
    }

    private function start(): void
    {
        $command = [
            getenv('RINGLINE_SERVER'), 'serve', '--listen', $this->address, '--database', "$this->folder/test.db",
            '--log-level', 'error',
        ];
        $this->process = proc_open($command, [1 => ['pipe', 'w']], $pipes);
        preg_match('/serving on (\S+)/', fgets($pipes[1]), $found);
        $this->address = $found[1];
    }

    private function stop(): void
    {
        proc_terminate($this->process);
        proc_close($this->process);
    }
}
