import { Code, ConnectError } from '@connectrpc/connect';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.js';
import type { ErrorReason as ErrorReasons } from './gen/ringline/v1/error_reason_pb.js';

/** The canonical status codes, by name. */
export type ErrorCode =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

/**
 * Why the server refused, as in `error_reason.proto`, which lists the keys of `metadata` with each. Empty if it was not
 * the server that refused. Others will be added: treat one that you do not know by the code.
 */
export type ErrorReason = Exclude<keyof typeof ErrorReasons, 'UNSPECIFIED'> | '' | (string & Record<never, never>);

/** What a `RinglineError` is made of. */
export interface ErrorParts {
  readonly code: ErrorCode;
  readonly reason?: ErrorReason;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly fields?: readonly string[];
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/**
 * Everything that can go wrong, as one class of error. Decide by `reason`, else by `code`, and show the `message`: it
 * says what to do next.
 *
 *     try {
 *       await call.join();
 *     } catch (error) {
 *       if (error instanceof RinglineError && error.reason === 'RING_OVER') show(error.metadata.accepted_by);
 *       else throw error;
 *     }
 */
export class RinglineError extends Error {
  override readonly name = 'RinglineError';
  /** The canonical gRPC code. */
  readonly code: ErrorCode;
  /** Why the server refused. Empty if it was not the server: no connection, no time left, or a closed client. */
  readonly reason: ErrorReason;
  /** The parts that vary, by the keys that `error_reason.proto` lists with each reason. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every bad field of the request, by its path. */
  readonly fields: readonly string[];
  /** After how many milliseconds trying again helps, where the server said so. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, parts: ErrorParts) {
    super(message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = parts.code;
    this.reason = parts.reason ?? '';
    this.metadata = parts.metadata ?? {};
    this.fields = parts.fields ?? [];
    this.retryAfterMs = parts.retryAfterMs;
  }
}

const CODES: Record<Code, ErrorCode> = {
  [Code.Canceled]: 'CANCELLED',
  [Code.Unknown]: 'UNKNOWN',
  [Code.InvalidArgument]: 'INVALID_ARGUMENT',
  [Code.DeadlineExceeded]: 'DEADLINE_EXCEEDED',
  [Code.NotFound]: 'NOT_FOUND',
  [Code.AlreadyExists]: 'ALREADY_EXISTS',
  [Code.PermissionDenied]: 'PERMISSION_DENIED',
  [Code.ResourceExhausted]: 'RESOURCE_EXHAUSTED',
  [Code.FailedPrecondition]: 'FAILED_PRECONDITION',
  [Code.Aborted]: 'ABORTED',
  [Code.OutOfRange]: 'OUT_OF_RANGE',
  [Code.Unimplemented]: 'UNIMPLEMENTED',
  [Code.Internal]: 'INTERNAL',
  [Code.Unavailable]: 'UNAVAILABLE',
  [Code.DataLoss]: 'DATA_LOSS',
  [Code.Unauthenticated]: 'UNAUTHENTICATED',
};

// How transports report a connection that broke under an RPC. The server gives each of its own errors a reason.
const CONNECTION_LOST: ReadonlySet<ErrorCode> = new Set(['CANCELLED', 'ABORTED', 'INTERNAL', 'UNKNOWN', 'DATA_LOSS']);

/** What the failure of an RPC that nobody cancelled is to an app. */
export function errorOf(failure: unknown): RinglineError {
  if (failure instanceof RinglineError) {
    return failure;
  }
  const error = ConnectError.from(failure);
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === 'ringline');
  const code = CODES[error.code];
  const lost = info === undefined && CONNECTION_LOST.has(code);
  const retry = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return new RinglineError(lost ? `The connection broke: ${error.rawMessage}` : error.rawMessage, {
    code: lost ? 'UNAVAILABLE' : code,
    reason: info?.reason ?? '',
    metadata: { ...info?.metadata },
    fields: error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations.map((v) => v.field)),
    retryAfterMs: retry === undefined ? undefined : durationMs(retry),
    cause: failure,
  });
}

/** What a client that was closed answers. */
export function closedError(): RinglineError {
  return new RinglineError('The client was closed. Make another.', { code: 'CANCELLED' });
}
