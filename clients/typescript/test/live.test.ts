// What the client promises of the real server and a real connection.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  CallingState,
  JoinMode,
  RinglineClient,
  RinglineError,
  StopReason,
  type Call,
  type ClientOptions,
} from 'ringline';
import { eventually } from './eventually.js';
import { Server } from './server.js';

let server: Server;

before(async () => {
  server = await Server.start();
});

after(async () => {
  await server.remove();
});

function connect(user: string, options: Partial<ClientOptions> = {}): RinglineClient {
  return new RinglineClient({ baseUrl: server.baseUrl, user, ...options });
}

function ids(calls: readonly Call[] | undefined): string {
  return calls === undefined ? 'not known yet' : calls.map(({ id }) => id).join();
}

async function refusal(promise: Promise<unknown>): Promise<RinglineError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RinglineError, String(error));
  return error;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) {
    found.push(item);
  }
  return found;
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`calls$ goes on, and requests are repeated, over a restart of the server after ${signal}`, async () => {
    const patient = { timeoutMs: 30_000 };
    const [alice, bob] = [connect('alice', patient), connect('bob', patient)];
    const [first, second] = [randomUUID(), randomUUID()];
    const members = [{ user_id: 'alice' }, { user_id: 'bob' }];
    let seen: Call[] | undefined;
    let failure: unknown;
    bob.state.calls$.subscribe({ next: (calls) => (seen = calls), error: (error: unknown) => (failure = error) });
    await alice.call('default', first).getOrCreate({ ring: true, data: { members } });
    await eventually(
      () => ids(seen),
      (list) => list === first,
    );
    await server.stop(signal);
    const ringing = alice.call('default', second).getOrCreate({ ring: true, data: { members } });
    const declining = bob.call('default', first).reject();
    await server.start();
    assert.equal((await ringing).created, true);
    await declining;
    await eventually(
      () => ids(seen),
      (list) => list === second,
    );
    assert.equal(failure, undefined);
    await alice.call('default', second).leave({ reject: true });
    await eventually(
      () => ids(seen),
      (list) => list === '',
    );
    assert.equal(bob.call('default', second).state.stopReason, StopReason.CANCELLED);
    await alice.close();
    await bob.close();
  });
}

test('watchCalls is the present list at once, then each new one, and ends with the client', async () => {
  const [alice, bob] = [connect('alice'), connect('bob')];
  const id = randomUUID();
  const seen: string[] = [];
  for await (const calls of bob.watchCalls()) {
    seen.push(ids(calls));
    if (seen.length === 1) {
      const members = [{ user_id: 'alice' }, { user_id: 'bob' }];
      await alice.call('default', id).getOrCreate({ ring: true, data: { members } });
    } else if (seen.length === 2) {
      await alice.call('default', id).cancel();
    } else {
      await bob.close();
    }
  }
  assert.deepEqual(seen, ['', id, '']);
  await alice.close();
});

test('calls$ completes when the client is closed, and what is asked then is refused', async () => {
  const alice = connect('alice');
  let completed = 0;
  alice.state.calls$.subscribe({ complete: () => completed++ });
  const waiting = alice.watchCalls().next();
  await alice.close();
  assert.equal(completed, 1);
  assert.deepEqual(await waiting, { done: true, value: undefined });
  assert.equal((await refusal(alice.call('default', 'x').get())).code, 'CANCELLED');
});

test('leaving one follower of several leaves the others what they have', async () => {
  const alice = connect('alice');
  const id = randomUUID();
  const lists: string[] = [];
  const first = alice.state.calls$.subscribe();
  alice.state.calls$.subscribe((calls) => lists.push(ids(calls)));
  await alice
    .call('default', id)
    .getOrCreate({ ring: true, data: { members: [{ user_id: 'alice' }, { user_id: 'b' }] } });
  await eventually(
    () => lists.at(-1),
    (list) => list === id,
  );
  first.unsubscribe();
  let atOnce = 'nothing';
  alice.state.calls$.subscribe((calls) => (atOnce = ids(calls)));
  assert.equal(atOnce, id);
  await alice.call('default', id).cancel();
  await eventually(
    () => lists.at(-1),
    (list) => list === '',
  );
  await alice.close();
});

test('calls$ fails with what cannot heal', async () => {
  const nobody = new RinglineClient({ baseUrl: server.baseUrl });
  const error = await new Promise((resolve) => {
    nobody.state.calls$.subscribe({ error: resolve });
  });
  assert.ok(error instanceof RinglineError);
  assert.deepEqual([error.code, error.reason], ['UNAUTHENTICATED', 'BAD_IDENTITY']);
  await assert.rejects(nobody.watchCalls().next(), { reason: 'BAD_IDENTITY' });
  await nobody.close();
});

test('X4: a refusal says why, with metadata and fields', async () => {
  const [alice, phone, tablet] = [
    connect('alice'),
    connect('bob', { device: 'phone' }),
    connect('bob', { device: 'tablet' }),
  ];
  const call = alice.call('default', randomUUID());
  const data = { members: [{ user_id: 'alice' }, { user_id: 'bob' }] };
  await call.getOrCreate({ ring: true, data });
  await phone.call('default', call.id).join();
  const elsewhere = await refusal(tablet.call('default', call.id).join());
  assert.deepEqual([elsewhere.code, elsewhere.reason], ['FAILED_PRECONDITION', 'JOINED_ELSEWHERE']);
  assert.equal(elsewhere.metadata.device_id, 'phone');
  await tablet.call('default', call.id).join({ mode: JoinMode.MOVE_DEVICE });
  assert.deepEqual(
    tablet
      .call('default', call.id)
      .state.participants.filter((each) => each.userId === 'bob')
      .map((each) => each.deviceId),
    ['tablet'],
  );
  const invalid = await refusal(call.getOrCreate({ ring: true, data: { members: [{ user_id: '' }] } }));
  assert.equal(invalid.code, 'INVALID_ARGUMENT');
  assert.ok(invalid.fields.length > 0);
  await Promise.all([alice.close(), phone.close(), tablet.close()]);
});

test('X6: a late tap on a ring that is over answers no other one', async () => {
  const [alice, bob] = [connect('alice'), connect('bob')];
  const call = alice.call('default', randomUUID());
  const members = [{ user_id: 'alice' }, { user_id: 'bob' }];
  await call.getOrCreate({ ring: true, data: { members } });
  const seen = bob.call('default', call.id);
  await seen.get();
  await call.cancel();
  await call.ring();
  assert.equal((await refusal(seen.join())).reason, 'RING_OVER');
  await seen.reject();
  assert.equal(seen.state.callingState, CallingState.RINGING);
  await seen.join();
  assert.equal(seen.state.callingState, CallingState.JOINED);
  await alice.close();
  await bob.close();
});

test('calls are listed, with their events', async () => {
  const alice = connect(randomUUID());
  const call = alice.call('default', randomUUID());
  await call.getOrCreate({ data: { custom: { n: 1 } } });
  await call.update({ custom: { n: 2 } });
  await call.updateMembers({ upsert: [{ user_id: 'carol' }] });
  const [listed, ...others] = await all(alice.listCalls());
  assert.deepEqual([listed, others], [call, []]);
  assert.deepEqual(call.state.custom, { n: 2 });
  assert.deepEqual(call.state.members.map(({ userId }) => userId).includes('carol'), true);
  assert.equal((await all(call.events())).length, 3);
  await alice.close();
});
