import type { RinglineTransport } from './transport.js';

/** Where there is no Node there is no gRPC either: the app has to say what to use instead. */
export function defaultTransport(baseUrl: string): RinglineTransport {
  throw new TypeError(
    `No gRPC here. Give a transport, such as createGrpcWebTransport({ baseUrl: '${baseUrl}' }) of @connectrpc/connect-web.`,
  );
}
