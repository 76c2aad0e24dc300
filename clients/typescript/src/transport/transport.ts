import type { Transport } from '@connectrpc/connect';

/** A Connect transport, and what the client would like of its connection, if the transport can do it. */
export interface RinglineTransport extends Transport {
  /** Drops a connection that is dead, so that the next RPC opens a new one. */
  reconnect?(): void;
  /** Closes the connection for good. */
  close?(): void;
}
