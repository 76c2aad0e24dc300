// How requests are made, with a server and a time that do what the test says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { CallingState, RinglineClient, RinglineError, RingState, SkipReason } from 'ringline';
import { Phone, refusal, ringing, RINGS } from './fakes.js';

test('X3: a request is repeated under the same request_id while the server is unavailable', async () => {
  const ids: string[] = [];
  const failures = [
    new ConnectError('connection refused', Code.Unavailable),
    refusal(Code.Unavailable, 'DRAINING', 1_000),
    new ConnectError('http/2 stream closed', Code.Canceled),
    new ConnectError('connection reset', Code.Aborted),
  ];
  const phone = new Phone({
    rejectCall: ({ requestId }) => {
      ids.push(requestId);
      const failure = failures.shift();
      if (failure) {
        throw failure;
      }
      return { call: ringing('a', 2), viewer: RINGS };
    },
  });
  const answer = phone.client.call('default', 'a').reject({ ringId: 'ring-1' });
  await phone.runtime.pass(5_000);
  assert.equal((await answer).call?.revision, 2);
  assert.deepEqual(ids, Array(5).fill('request-1'));
  assert.deepEqual(phone.runtime.waits, [50, 1_100, 200, 400]);
});

test('X3: another request has another request_id', async () => {
  const ids: string[] = [];
  const phone = new Phone({
    getCall: ({ requestId }) => {
      ids.push(requestId);
      return {};
    },
  });
  await phone.client.call('default', 'a').get({ notify: true });
  await phone.client.call('default', 'a').get({ notify: true });
  assert.deepEqual(ids, ['request-1', 'request-2']);
});

test('a refusal is not repeated, and says why', async () => {
  let asked = 0;
  const phone = new Phone({
    endCall: () => {
      asked += 1;
      throw refusal(Code.FailedPrecondition, 'SOME_NEW_REASON');
    },
  });
  await assert.rejects(phone.client.call('default', 'a').endCall(), (error) => {
    assert.ok(error instanceof RinglineError);
    assert.equal(error.message, 'No.');
    assert.equal(error.code, 'FAILED_PRECONDITION');
    assert.equal(error.reason, 'SOME_NEW_REASON');
    assert.deepEqual(error.metadata, { state: 'ACTIVE' });
    return true;
  });
  assert.equal(asked, 1);
});

test('a request is given up when the time is up', async () => {
  const phone = new Phone(
    {
      endCall: () => {
        throw new ConnectError('connection refused', Code.Unavailable);
      },
    },
    { timeoutMs: 3_000 },
  );
  const failure = assert.rejects(phone.client.call('default', 'a').endCall(), { code: 'UNAVAILABLE', reason: '' });
  await phone.runtime.pass(3_000);
  await failure;
});

test('what cannot be sent is the mistake of who asked, and is not repeated', async () => {
  const phone = new Phone();
  const call = phone.client.call('default', 'a');
  await assert.rejects(call.update({ expectedRevision: 1.5 }), (error) => !(error instanceof RinglineError));
  assert.deepEqual(phone.runtime.waits, []);
});

test('who one is goes with each request, in any letters', async () => {
  const seen: Headers[] = [];
  const service = {
    getCall: (_: unknown, { requestHeader }: { requestHeader: Headers }) => {
      seen.push(requestHeader);
      return {};
    },
  };
  const options = {
    user: 'my friend',
    device: 'téléphone',
    token: () => Promise.resolve('secret'),
    metadata: { 'x-teams': 'red' },
  };
  await new Phone(service, options).client.call('default', 'a').get();
  const [headers] = seen;
  assert.equal(headers?.get('x-user-id'), 'my friend');
  assert.equal(headers.get('x-user-id-bin'), null);
  assert.equal(headers.get('x-device-id'), null);
  assert.equal(Buffer.from(headers.get('x-device-id-bin') ?? '', 'base64').toString(), 'téléphone');
  assert.equal(headers.get('authorization'), 'Bearer secret');
  assert.equal(headers.get('x-teams'), 'red');
});

test('X6: an answer names the ring, also where none was told yet', async () => {
  const rings: string[] = [];
  const phone = new Phone({
    getCall: () => ({ call: ringing('a', 1), viewer: RINGS }),
    joinCall: ({ ringId }) => {
      rings.push(ringId);
      return {};
    },
    rejectCall: ({ ringId }) => {
      rings.push(ringId);
      return {};
    },
  });
  await phone.client.call('default', 'a').join();
  await phone.client.call('default', 'a').reject();
  await phone.client.call('default', 'a').leave({ reject: true });
  await phone.client.call('default', 'a').join({ ringId: 'ring-0' });
  assert.deepEqual(rings, ['ring-1', 'ring-1', 'ring-1', 'ring-0']);
});

test('K1: cancel takes back each ring of the user that nobody has answered', async () => {
  const rings: string[] = [];
  const call = {
    ...ringing('a', 1),
    rings: [
      { id: 'mine', ringerId: 'bob', state: RingState.RINGING },
      { id: 'theirs', ringerId: 'alice', state: RingState.RINGING },
      { id: 'answered', ringerId: 'bob', state: RingState.ACCEPTED },
      { id: 'mine too', ringerId: 'bob', state: RingState.RINGING },
    ],
  };
  const phone = new Phone({
    getCall: () => ({ call, viewer: { ...RINGS, direction: 2, ringId: 'mine too' } }),
    cancelCall: ({ ringId }) => {
      rings.push(ringId);
      return {};
    },
  });
  await phone.client.call('default', 'a').leave({ reject: true, reason: 'cancel' });
  assert.deepEqual(rings, ['mine', 'mine too']);
});

test('E2: leave with reject hangs up what was answered meanwhile', async () => {
  for (const direction of [1, 2]) {
    const asked: string[] = [];
    const answer = (verb: string) => (): never => {
      asked.push(verb);
      throw refusal(Code.FailedPrecondition, 'ALREADY_ACCEPTED');
    };
    const call = { ...ringing('a', 1), rings: [{ id: 'ring-1', ringerId: 'bob', state: RingState.RINGING }] };
    const phone = new Phone({
      getCall: () => ({ call, viewer: { ...RINGS, direction } }),
      rejectCall: answer('reject'),
      cancelCall: answer('cancel'),
      leaveCall: ({ reason }) => {
        asked.push(`leave: ${reason}`);
        return {};
      },
    });
    await phone.client.call('default', 'a').leave({ reject: true, reason: 'bye' });
    assert.deepEqual(asked, [direction === 1 ? 'reject' : 'cancel', 'leave: bye']);
  }
});

test('X3: a request on a dead connection is asked again on another, under the same request_id', async () => {
  const ids: string[] = [];
  const times: (number | undefined)[] = [];
  const phone = new Phone({
    getCall: async ({ requestId }, { timeoutMs }) => {
      ids.push(requestId);
      times.push(timeoutMs());
      if (ids.length === 1) {
        await new Promise<void>((resolve) => phone.runtime.after(5_000, resolve));
        throw new ConnectError('the operation timed out', Code.DeadlineExceeded);
      }
      return { call: ringing('a', 2), viewer: RINGS };
    },
  });
  const answer = phone.client.call('default', 'a').get({ ring: true });
  await phone.runtime.pass(6_000);
  assert.equal((await answer).call?.revision, 2);
  assert.deepEqual(ids, ['request-1', 'request-1']);
  assert.ok(times.every((time) => time !== undefined && time > 4_000 && time <= 5_000));
  assert.equal(phone.reconnects, 1);
});

test('a token that cannot be had is asked for again, and is an error once the time is up', async () => {
  let asked = 0;
  const token = (): Promise<string> => {
    asked += 1;
    return asked === 1 ? Promise.reject(new Error('the issuer is away')) : Promise.resolve('secret');
  };
  const phone = new Phone({ getCall: () => ({ call: ringing('a', 2) }) }, { token });
  const answer = phone.client.call('default', 'a').get();
  await phone.runtime.pass(1_000);
  assert.equal((await answer).call?.revision, 2);
  assert.deepEqual([asked, phone.runtime.waits], [2, [50]]);

  const lost = new Phone(
    {},
    {
      token: () => {
        throw new TypeError('the issuer is gone');
      },
    },
  );
  const failure = assert.rejects(lost.client.call('default', 'a').get(), (error) => {
    assert.ok(error instanceof RinglineError);
    assert.deepEqual([error.code, error.message], ['UNAVAILABLE', 'There is no token: the issuer is gone']);
    return true;
  });
  await lost.runtime.pass(10_000);
  await failure;
});

test('R3: without a watch the seconds left are known only after a new ring of one’s own', async () => {
  const call = ringing('a', 1);
  const later = { ...ringing('b', 2, 'other'), updatedAt: timestampFromMs(1_010_000) };
  const rungAt = timestampFromMs(1_000_000);
  const skips = [SkipReason.RINGING, SkipReason.UNSPECIFIED];
  const phone = new Phone({
    getCall: ({ id }) => ({ call: id === 'a' ? call : later, viewer: RINGS }),
    ringCall: () => ({ call, viewer: RINGS, targets: [{ userId: 'alice', rungAt, skipReason: skips.shift() ?? 0 }] }),
  });
  const { state } = phone.client.call('default', 'a');
  await phone.client.call('default', 'a').get();
  assert.deepEqual([state.callingState, state.secondsLeft], [CallingState.RINGING, undefined]);
  await phone.client.call('default', 'a').ring(); // alice rings already, nobody knows for how long
  assert.equal(state.secondsLeft, undefined);
  await phone.client.call('default', 'a').ring();
  assert.equal(state.secondsLeft, 30);
  await phone.runtime.pass(4_000);
  assert.equal(state.secondsLeft, 26);
  await phone.client.call('default', 'b').get(); // changed 10 s after the ring began, so that is past
  assert.equal(state.secondsLeft, 20);
});

test('a client must know where the server is', () => {
  assert.throws(() => new RinglineClient({ user: 'alice' }), TypeError);
});
