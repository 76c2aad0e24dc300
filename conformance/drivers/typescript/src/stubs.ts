// The part on the generated stubs alone, with Connect's gRPC transport and nothing of the SDK.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fromJson, toJson, type DescMethod, type DescMethodUnary } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { BadRequestSchema, CallService, ErrorInfoSchema, RetryInfoSchema, WatchCallsRequestSchema } from 'ringline/v1';
import { errorLine, find, type Operation } from './protocol.js';

interface Client {
  readonly transport: Transport;
  readonly sessions: Http2SessionManager;
  readonly headers: Headers;
  readonly closing: AbortController;
}

interface Watch {
  readonly stop: AbortController;
  /** Resolves when the stream may be read on. */
  gate: Promise<void>;
  open: () => void;
}

const clients = new Map<string, Client>();
const watches = new Map<string, Watch>();

const NAMES: Readonly<Partial<Record<Code, string>>> = { [Code.Canceled]: 'CANCELLED' };

function failure(reason: unknown): object {
  const error = ConnectError.from(reason);
  const info = error.findDetails(ErrorInfoSchema)[0];
  const retry = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const name = Code[error.code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
  return errorLine({
    code: NAMES[error.code] ?? name,
    message: error.rawMessage,
    reason: info?.reason ?? '',
    metadata: { ...info?.metadata },
    fields: error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations.map((v) => v.field)),
    retryAfterMs: retry && durationMs(retry),
  });
}

function version(name: string): string {
  // Not every package exports its package.json.
  const entry = createRequire(import.meta.url).resolve(name);
  const root = entry.slice(0, entry.lastIndexOf(`node_modules/${name}/`) + `node_modules/${name}/`.length);
  return (JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string }).version;
}

const hello: Operation = () => ({
  language: 'typescript',
  sdk: true,
  versions: {
    node: process.versions.node,
    grpc: `connect-node ${version('@connectrpc/connect-node')}`,
    protobuf: version('@bufbuild/protobuf'),
  },
});

const connect: Operation = ({ client, address, metadata = {} }) => {
  const baseUrl = `http://${address}`;
  const sessions = new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager: sessions });
  // Values of keys that end in -bin are in base64 here as well as on the wire.
  clients.set(client, { transport, sessions, headers: new Headers(metadata), closing: new AbortController() });
  return {};
};

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}

const unary: Operation = async ({ client, method: name, request = {}, timeout }) => {
  const { transport, headers, closing } = find(clients, client);
  const method = CallService.methods.find((each) => each.name === name);
  if (method === undefined || !isUnary(method)) {
    throw new Error(`There is no unary method ${name}.`);
  }
  const input = fromJson(method.input, request);
  try {
    const timeoutMs = timeout === undefined ? undefined : Math.max(1, Math.ceil(timeout * 1000));
    const { message } = await transport.unary(method, closing.signal, timeoutMs, new Headers(headers), input);
    return { response: toJson(method.output, message) };
  } catch (error) {
    return { error: failure(error) };
  }
};

const watch: Operation = ({ client, watch: name, request = {} }, report) => {
  const { transport, headers, closing } = find(clients, client);
  const input = fromJson(WatchCallsRequestSchema, request);
  const stop = new AbortController();
  closing.signal.addEventListener('abort', () => {
    stop.abort();
  });
  const state: Watch = { stop, gate: Promise.resolve(), open: () => undefined };
  watches.set(name, state);
  const method = CallService.method.watchCalls;
  const read = async (): Promise<object> => {
    try {
      const inputs = (async function* () {
        yield await Promise.resolve(input);
      })();
      const stream = await transport.stream(method, stop.signal, undefined, new Headers(headers), inputs);
      for await (const message of stream.message) {
        await state.gate;
        report({ watch: name, message: toJson(method.output, message) });
      }
      return { code: 'OK' };
    } catch (error) {
      return failure(error);
    }
  };
  setImmediate(() => {
    void read().then((end) => {
      watches.delete(name);
      report({ watch: name, end });
    });
  });
  return {};
};

const pause: Operation = ({ watch: name }) => {
  const state = find(watches, name);
  state.open();
  state.gate = new Promise((resolve) => {
    state.open = resolve;
  });
  return {};
};

const resume: Operation = ({ watch: name }) => {
  find(watches, name).open();
  return {};
};

const cancel: Operation = ({ watch: name }) => {
  const { stop, open } = find(watches, name);
  open();
  setImmediate(() => {
    stop.abort();
  });
  return {};
};

/** Closes the client of this name, if there is one. */
export function close(name: string): void {
  const client = clients.get(name);
  clients.delete(name);
  client?.closing.abort();
  client?.sessions.abort();
}

export const operations = { hello, connect, unary, watch, pause, resume, cancel };
