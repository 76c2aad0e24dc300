import type { ClientHttp2Session } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager, type GrpcTransportOptions } from '@connectrpc/connect-node';
import type { RinglineTransport } from './transport.js';

type SessionManager = NonNullable<GrpcTransportOptions['sessionManager']>;

/** gRPC over one HTTP/2 connection; without TLS for `http:`. */
export function defaultTransport(baseUrl: string): RinglineTransport {
  const manager = new Http2SessionManager(baseUrl);
  let session: ClientHttp2Session | undefined;
  const sessionManager: SessionManager = {
    authority: manager.authority,
    request: async (...request) => {
      const stream = await manager.request(...request);
      session = stream.session as ClientHttp2Session | undefined;
      return stream;
    },
    notifyResponseByteRead: (stream) => {
      manager.notifyResponseByteRead(stream);
    },
  };
  const transport = createGrpcTransport({ baseUrl, sessionManager });
  return {
    unary: transport.unary.bind(transport),
    stream: transport.stream.bind(transport),
    reconnect: () => {
      manager.abort(new ConnectError('The connection was dead.', Code.Unavailable));
    },
    close: () => {
      // Aborting would tell the server of an error, which it logs.
      if (session === undefined || session.destroyed) {
        manager.abort();
      } else {
        session.close();
      }
    },
  };
}
