import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM =
  process.env.RINGLINE_SERVER ?? fileURLToPath(new URL('../../../.venv/bin/ringline-server', import.meta.url));

/** The real server, with a database of its own, which stays when the server is killed and started again. */
export class Server {
  readonly #folder: string;
  #listen = '127.0.0.1:0';
  #process: ChildProcess | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async start(): Promise<Server> {
    const server = new Server(await mkdtemp(path.join(tmpdir(), 'ringline-ts-')));
    await server.start();
    return server;
  }

  get baseUrl(): string {
    return `http://${this.#listen}`;
  }

  /** Starts it, on the same address as before. */
  async start(): Promise<void> {
    const database = path.join(this.#folder, 'ringline.db');
    const options = ['serve', '--listen', this.#listen, '--database', database, '--log-level', 'warning'];
    const child = spawn(PROGRAM, [...options, '--drain-grace', '1'], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = child;
    for await (const line of createInterface({ input: child.stdout })) {
      const address = /serving on (\S+)/.exec(line)?.[1];
      if (address !== undefined) {
        this.#listen = address;
        child.stdout.resume();
        return;
      }
    }
    throw new Error(`${PROGRAM} did not start.`);
  }

  /** Stops it as an operator does (SIGTERM), or as a power cut does (SIGKILL). */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child?.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    }
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
