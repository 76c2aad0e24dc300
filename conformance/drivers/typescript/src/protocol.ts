import type { JsonObject } from '@bufbuild/protobuf';

/** A line of the runner's. Each operation has those of these that it needs. */
export interface Command {
  readonly id: number;
  readonly op: string;
  readonly client: string;
  readonly address: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly method: string;
  readonly request?: JsonObject;
  readonly timeout?: number;
  readonly watch: string;
  readonly user: string;
  readonly device?: string;
  readonly verb: string;
  readonly type: string;
  readonly callId: string;
  readonly args?: JsonObject;
  readonly follow: string;
}

/** Tells the runner something. */
export type Report = (line: object) => void;

/** Does what a command says, and returns what to answer. What it reports meanwhile has no id. */
export type Operation = (command: Command, report: Report) => Promise<object> | object;

/** An error as the runner reads it. */
export function errorLine(error: {
  code: string;
  message: string;
  reason: string;
  metadata: Readonly<Record<string, string>>;
  fields: readonly string[];
  retryAfterMs: number | undefined;
}): object {
  const { code, message, reason, metadata, fields, retryAfterMs } = error;
  return {
    code,
    message,
    ...(reason !== '' && { reason, metadata }),
    ...(fields.length > 0 && { fields }),
    ...(retryAfterMs !== undefined && { retryAfter: retryAfterMs / 1000 }),
  };
}

/** What is known under this name. */
export function find<T>(things: ReadonlyMap<string, T>, name: string): T {
  const thing = things.get(name);
  if (thing === undefined) {
    throw new Error(`There is no ${name}.`);
  }
  return thing;
}
