// A conformance driver: does what the runner says, line by line. See conformance/protocol.md.
import { createInterface } from 'node:readline';
import * as sdk from './sdk.js';
import * as stubs from './stubs.js';
import type { Command, Operation, Report } from './protocol.js';

const operations: Readonly<Record<string, Operation>> = { ...stubs.operations, ...sdk.operations };

const report: Report = (line) => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

async function close({ client }: Command): Promise<object> {
  await stubs.close(client);
  await sdk.close(client);
  return {};
}

async function answer(command: Command): Promise<void> {
  const { id, op } = command;
  try {
    const operation = op === 'close' ? close : operations[op];
    if (operation === undefined) {
      throw new Error(`There is no operation ${op}.`);
    }
    report({ id, ...(await operation(command, report)) });
  } catch (error) {
    // A mistake of the runner's or of this driver's: what RPCs and the SDK answer does not come here.
    report({ id, error: { code: 'INTERNAL', message: `driver: ${String(error)}` } });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== '') {
    void answer(JSON.parse(line) as Command);
  }
}
process.exit(0);
