// How calls are followed, with a server and a time that do what the test says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { CallingState, ChangeKind, type CallState, RinglineError, StopReason } from 'ringline';
import type { CallSchema, ViewerStateSchema, WatchCallsResponseSchema } from 'ringline/v1';
import { Phone, refusal, ringing, RINGS, settle } from './fakes.js';

type Message = MessageInitShape<typeof WatchCallsResponseSchema>;

function change(
  kind: ChangeKind,
  call: MessageInitShape<typeof CallSchema>,
  viewer: MessageInitShape<typeof ViewerStateSchema> = RINGS,
  stopReason = StopReason.UNSPECIFIED,
): Message {
  return { event: { case: 'change', value: { kind, call, viewer, stopReason } } };
}

function complete(resumeToken: string, resumed = false): Message {
  return { event: { case: 'snapshotComplete', value: { resumed } }, resumeToken };
}

const ADDED = ChangeKind.ADDED;
const REMOVED = ChangeKind.REMOVED;

/** Follows the calls of a phone: what was listed, and how it ended. */
async function follow(phone: Phone): Promise<{ lists: string[]; error?: unknown }> {
  const seen: { lists: string[]; error?: unknown } = { lists: [] };
  phone.client.state.calls$.subscribe({
    next: (calls) => seen.lists.push(calls.map(({ id }) => id).join()),
    error: (error: unknown) => {
      seen.error = error;
    },
  });
  await settle();
  return seen;
}

test('W2: the first list is whole', async () => {
  const phone = new Phone();
  const seen = await follow(phone);
  await phone.stream.send(change(ADDED, ringing('newer', 1)), change(ADDED, ringing('older', 1, 'other')));
  assert.deepEqual(seen.lists, []);
  await phone.stream.send(complete('one'));
  assert.deepEqual(seen.lists, ['older,newer']);
});

test('W4: a new stream resumes with the last token and keeps what is not told', async () => {
  const phone = new Phone();
  const seen = await follow(phone);
  await phone.stream.send(change(ADDED, ringing('a', 1)), change(ADDED, ringing('b', 1, 'other')), complete('one'));
  await phone.stream.send({ event: { case: 'heartbeat', value: {} }, resumeToken: 'two' });
  await phone.stream.end(new ConnectError('gone', Code.Unavailable));
  await phone.runtime.pass(1_000);
  assert.equal(phone.stream.request.resumeToken, 'two');
  await phone.stream.send(change(REMOVED, ringing('a', 2), {}, StopReason.MISSED), complete('three', true));
  assert.deepEqual(seen.lists, ['b,a', 'b']);
  assert.equal(phone.client.call('default', 'a').state.stopReason, StopReason.MISSED);
});

test('W4: without resumption whatever is not told is forgotten', async () => {
  const phone = new Phone();
  const seen = await follow(phone);
  await phone.stream.send(change(ADDED, ringing('a', 1)), complete('one'));
  await phone.stream.end();
  await phone.runtime.pass(1_000);
  await phone.stream.send(change(ADDED, ringing('b', 1, 'other')), complete('two', false));
  assert.deepEqual(seen.lists, ['a', 'b']);
});

test('W4: after a reset all calls are told anew, also as they were before', async () => {
  const phone = new Phone();
  const seen = await follow(phone);
  await phone.stream.send(change(ADDED, ringing('a', 7)), change(ADDED, ringing('b', 7, 'other')), complete('one'));
  await phone.stream.end();
  await phone.runtime.pass(1_000);
  await phone.stream.send({ event: { case: 'reset', value: { reason: 4 } } }, change(ADDED, ringing('a', 3)));
  await phone.stream.send(complete('two'));
  assert.deepEqual(seen.lists, ['b,a', 'a']);
  assert.equal(phone.client.call('default', 'a').state.revision, 3);
});

test('W4: a stream that is cut in its snapshot starts anew', async () => {
  const phone = new Phone();
  const seen = await follow(phone);
  await phone.stream.send(change(ADDED, ringing('over', 1)));
  await phone.stream.end(new ConnectError('gone', Code.Unavailable));
  await phone.runtime.pass(1_000);
  assert.equal(phone.stream.request.resumeToken, '');
  await phone.stream.send(complete('one'));
  assert.deepEqual(seen.lists, ['']);
});

test('W4: a call that was missed while away is a change and in no list', async () => {
  const phone = new Phone();
  const seen = await follow(phone);
  const notices: string[] = [];
  phone.client.state.changes$.subscribe(({ call, stopReason }) => notices.push(`${call.id} ${StopReason[stopReason]}`));
  await phone.stream.send(complete('one'), change(REMOVED, ringing('missed', 2), {}, StopReason.MISSED));
  assert.deepEqual([seen.lists, notices], [[''], ['missed MISSED']]);
});

test('W5: a stream is dead after two and a half heartbeats, and so is its connection', async () => {
  const phone = new Phone();
  await follow(phone);
  await phone.stream.send(complete('one'));
  assert.equal(phone.stream.request.heartbeatInterval?.seconds, 15n);
  await phone.runtime.pass(30_000);
  await phone.stream.send({ event: { case: 'heartbeat', value: {} }, resumeToken: 'two' });
  await phone.runtime.pass(37_499);
  assert.deepEqual([phone.streams.length, phone.reconnects], [1, 0]);
  await phone.runtime.pass(1_000);
  assert.deepEqual([phone.streams.length, phone.reconnects], [2, 1]);
  assert.equal(phone.streams[0]?.signal.aborted, true);
  assert.equal(phone.stream.request.resumeToken, 'two');
});

test('W7: after going_away the next stream resumes', async () => {
  const phone = new Phone();
  const seen = await follow(phone);
  await phone.stream.send(complete('one'), { event: { case: 'goingAway', value: {} }, resumeToken: 'two' });
  await phone.stream.end();
  await phone.runtime.pass(250);
  assert.equal(phone.stream.request.resumeToken, 'two');
  assert.equal(seen.error, undefined);
});

test('reconnects wait longer and longer, with full jitter, and as long as the server asks', async () => {
  const phone = new Phone({}, { heartbeatIntervalMs: 60_000 });
  await follow(phone);
  for (let attempt = 0; attempt < 7; attempt++) {
    await phone.stream.end(new ConnectError('gone', Code.Unavailable));
    await phone.runtime.pass(10_000);
  }
  await phone.stream.end(refusal(Code.ResourceExhausted, 'TOO_MANY_WATCHES', 7_000));
  await settle();
  const waits = phone.runtime.waits.filter((wait) => wait !== 150_000);
  assert.deepEqual(waits, [125, 250, 500, 1_000, 2_000, 2_500, 2_500, 9_500]);
});

for (const code of [
  Code.Unavailable,
  Code.Internal,
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Canceled,
  Code.Aborted,
]) {
  test(`a watch outlives ${Code[code]}`, async () => {
    const phone = new Phone();
    const seen = await follow(phone);
    await phone.stream.end(new ConnectError('gone', code));
    await phone.runtime.pass(1_000);
    assert.deepEqual([phone.streams.length, seen.error], [2, undefined]);
  });
}

const FINAL = [
  [Code.Unauthenticated, 'BAD_TOKEN'],
  [Code.Unauthenticated, 'TOKEN_EXPIRED'],
  [Code.PermissionDenied, 'NOT_ALLOWED'],
  [Code.InvalidArgument, 'INVALID_FIELD'],
  [Code.Unimplemented, ''],
  [Code.Aborted, 'WATCH_REPLACED'],
] as const;
for (const [code, reason] of FINAL) {
  test(`a watch ends with ${Code[code]} ${reason}`, async () => {
    const phone = new Phone();
    const seen = await follow(phone);
    await phone.stream.end(reason === '' ? new ConnectError('no', code) : refusal(code, reason));
    await phone.runtime.pass(60_000);
    assert.ok(seen.error instanceof RinglineError);
    assert.deepEqual([seen.error.reason, phone.streams.length], [reason, 1]);
  });
}

test('W8: a token that expires is replaced where there is another, once', async () => {
  let tokens = 0;
  const phone = new Phone({}, { user: undefined, token: () => `token-${String(++tokens)}` });
  const seen = await follow(phone);
  await phone.stream.send(complete('one'));
  await phone.stream.end(refusal(Code.Unauthenticated, 'TOKEN_EXPIRED'));
  await phone.runtime.pass(1_000);
  assert.equal(phone.stream.headers.get('authorization'), 'Bearer token-2');
  await phone.stream.end(refusal(Code.Unauthenticated, 'TOKEN_EXPIRED'));
  await phone.runtime.pass(1_000);
  assert.ok(seen.error instanceof RinglineError);
  assert.equal(phone.streams.length, 2);
});

test('W3: what is older than what is known of a call is dropped, and another uid is another call', async () => {
  const phone = new Phone();
  const seen = await follow(phone);
  const { state } = phone.client.call('default', 'a');
  await phone.stream.send(change(ADDED, ringing('a', 5)), complete('one'));
  await phone.stream.send(change(ChangeKind.UPDATED, ringing('a', 4), { callingState: CallingState.JOINED }));
  assert.deepEqual([state.revision, state.callingState], [5, CallingState.RINGING]);
  const anew = { ...ringing('a', 1, 'another'), createdAt: timestampFromMs(2_000_000) };
  await phone.stream.send(change(ADDED, anew));
  assert.deepEqual([state.revision, state.call?.uid, seen.lists], [1, 'another', ['a', 'a']]);
  await phone.stream.send(change(ChangeKind.UPDATED, ringing('a', 9)));
  assert.equal(state.call?.uid, 'another');
});

test('what a newer server says is tolerated: values, kinds and messages that are not known', async () => {
  const phone = new Phone();
  const seen = await follow(phone);
  const viewer = { ...RINGS, callingState: 17 as CallingState };
  await phone.stream.send(complete('one'), { resumeToken: 'two' });
  await phone.stream.send(change(42 as ChangeKind, { ...ringing('a', 1), state: 99 as CallState }, viewer));
  assert.equal(phone.client.call('default', 'a').state.callingState, 17);
  assert.deepEqual(seen.lists, ['', 'a']);
  await phone.stream.end();
  await phone.runtime.pass(1_000);
  assert.equal(phone.stream.request.resumeToken, 'two');
});

test('a watch outlives a token that cannot be had, with growing pauses', async () => {
  let asked = 0;
  const token = (): string => {
    asked += 1;
    if (asked < 4) {
      throw new Error('the issuer is away');
    }
    return 'secret';
  };
  const phone = new Phone({}, { token });
  const seen = await follow(phone);
  await phone.runtime.pass(1_000);
  assert.equal(phone.stream.headers.get('authorization'), 'Bearer secret');
  assert.deepEqual([phone.streams.length, seen.error], [1, undefined]);
  assert.deepEqual(
    phone.runtime.waits.filter((wait) => wait !== 37_500),
    [125, 250, 500],
  );
});

test('R3: seconds are counted by the server', async () => {
  const phone = new Phone();
  await follow(phone);
  await phone.stream.send(
    { ...change(ADDED, ringing('a', 1)), serverTime: timestampFromMs(1_010_000) },
    { ...complete('one'), serverTime: timestampFromMs(1_010_000) },
  );
  const { state } = phone.client.call('default', 'a');
  assert.equal(state.secondsLeft, 20);
  await phone.runtime.pass(5_000);
  assert.equal(state.secondsLeft, 15);
  await phone.runtime.pass(20_000);
  assert.equal(state.secondsLeft, 0);
});

test('W1: a filter is sent as it is, and watchCalls without one asks for what rings', async () => {
  const phone = new Phone();
  void phone.client.watchCalls().next();
  await settle();
  assert.deepEqual([phone.stream.request.callingStates, phone.stream.request.cids], [[], []]);
  void phone.client.watchCalls({ cids: ['default:a'], callingStates: [CallingState.LEFT] }).next();
  await settle();
  assert.deepEqual(phone.stream.request.cids, ['default:a']);
  assert.deepEqual(phone.stream.request.callingStates, [CallingState.LEFT]);
  await phone.client.close();
  assert.deepEqual(
    phone.streams.map(({ signal }) => signal.aborted),
    [true, true],
  );
});

test('one who is slow gets the latest list, and no list from before', async () => {
  const phone = new Phone();
  const watch = phone.client.watchCalls();
  const first = watch.next();
  await settle();
  await phone.stream.send(complete('one'));
  assert.deepEqual((await first).value, []);
  await phone.stream.send(change(ADDED, ringing('a', 1)));
  await phone.stream.send(change(ADDED, ringing('b', 1, 'other')));
  assert.deepEqual(
    (await watch.next()).value?.map(({ id }) => id),
    ['a', 'b'],
  );
  const waiting = watch.next();
  await watch.return();
  assert.equal((await waiting).done, true);
  assert.equal(phone.stream.signal.aborted, true);
});
