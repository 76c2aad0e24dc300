// The samples of the page that this client was made after, as they stand there: only the import differs.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { CallingState, CallState, EndReason, RinglineClient, RingTargetState, type Call } from 'ringline';
import { eventually } from './eventually.js';
import { Server } from './server.js';

let server: Server;
let client: RinglineClient;
let friend: RinglineClient;
let call: Call;
let friends: Call;

before(async () => {
  server = await Server.start();
});

after(async () => {
  await server.remove();
});

beforeEach(() => {
  const { baseUrl } = server;
  client = new RinglineClient({ baseUrl, user: 'myself', device: 'laptop' });
  friend = new RinglineClient({ baseUrl, user: 'my friend', device: 'phone' });
  const id = randomUUID();
  call = client.call('default', id);
  friends = friend.call('default', id);
});

afterEach(async () => {
  for await (const call of client.listCalls({ callStates: [CallState.RINGING, CallState.ACTIVE] })) {
    await call.endCall();
  }
  await client.close();
  await friend.close();
});

async function ring(): Promise<void> {
  await call.getOrCreate({ ring: true, data: { members: [{ user_id: 'myself' }, { user_id: 'my friend' }] } });
}

/** The incoming and the outgoing calls, as the page follows them. */
function follow(client: RinglineClient): { incoming: Call[]; outgoing: Call[] } {
  const seen: { incoming: Call[]; outgoing: Call[] } = { incoming: [], outgoing: [] };
  client.state.calls$.subscribe((calls) => {
    const incomingCalls = calls.filter(
      (call) => call.isCreatedByMe === false && call.state.callingState === CallingState.RINGING,
    );
    seen.incoming = incomingCalls;
  });
  client.state.calls$.subscribe((calls) => {
    const outgoingCalls = calls.filter(
      (call) => call.isCreatedByMe === true && call.state.callingState === CallingState.RINGING,
    );
    seen.outgoing = outgoingCalls;
  });
  return seen;
}

test('the sample of an outgoing call rings, as often as one likes', async () => {
  for (const session of [1, 2]) {
    await client.call('default', 'test-outgoing-call').getOrCreate({
      ring: true,
      data: {
        members: [{ user_id: 'myself' }, { user_id: 'my friend' }],
      },
    });
    const call = client.call('default', 'test-outgoing-call');
    assert.equal(call.state.call?.session, session);
    assert.equal(call.state.callingState, CallingState.RINGING);
    await call.leave({ reject: true, reason: 'cancel' });
    assert.equal(call.state.endReason, EndReason.CANCELLED);
  }
});

test('calls$ shows a call as incoming to one and as outgoing to the other', async () => {
  const mine = follow(client);
  const theirs = follow(friend);
  await ring();
  const [incoming] = await eventually(
    () => theirs.incoming,
    (calls) => calls.length === 1,
  );
  await eventually(
    () => mine.outgoing,
    (calls) => calls.length === 1,
  );
  assert.equal(incoming?.cid, call.cid);
  assert.equal(incoming, friends);
  assert.equal(mine.outgoing[0], call);
  assert.deepEqual([mine.incoming, theirs.outgoing], [[], []]);
  assert.ok((incoming.state.secondsLeft ?? 0) > 25);
});

test('E2: leave with reject takes back a call that nobody has answered', async () => {
  const theirs = follow(friend);
  await ring();
  await eventually(
    () => theirs.incoming,
    (calls) => calls.length === 1,
  );
  await call.leave({ reject: true, reason: 'cancel' });
  assert.equal(call.state.endReason, EndReason.CANCELLED);
  assert.equal(call.state.rings[0]?.reason, 'cancel');
  await eventually(
    () => theirs.incoming,
    (calls) => calls.length === 0,
  );
});

test('E2: leave with reject refuses a call that rings', async () => {
  await ring();
  await friends.leave({ reject: true, reason: 'decline' });
  assert.equal(friends.state.viewer?.targetState, RingTargetState.REJECTED);
  assert.equal(friends.state.endReason, EndReason.ALL_REJECTED);
});

test('E2: leave with reject hangs up once the call was answered, also if the ringer was not told yet', async () => {
  await ring();
  await friends.join();
  assert.equal(call.state.callingState, CallingState.RINGING);
  await call.leave({ reject: true, reason: 'cancel' });
  assert.equal(call.state.callingState, CallingState.LEFT);
  assert.equal(call.state.endReason, EndReason.LEFT_ALONE);
});

test('E2: leave with reject refuses also the ring of a later session that was not told', async () => {
  await ring();
  await friends.join();
  await call.leave();
  await ring();
  await friends.leave({ reject: true });
  assert.equal(friends.state.endReason, EndReason.ALL_REJECTED);
});

test('join answers the call and leave hangs up', async () => {
  const mine = follow(client);
  await ring();
  const call = friends;
  await call.join();
  assert.equal(call.state.callingState, CallingState.JOINED);
  await eventually(
    () => client.state.calls.map((each) => each.state.callingState),
    (states) => states[0] === CallingState.JOINED,
  );
  assert.deepEqual(mine.outgoing, []);
  await call.leave();
  assert.equal(call.state.callingState, CallingState.LEFT);
  await eventually(
    () => client.state.calls,
    (calls) => calls.length === 0,
  );
});

test('endCall ends it for everyone', async () => {
  await ring();
  await call.endCall();
  assert.equal(call.state.callState, CallState.ENDED);
  assert.equal(call.state.endReason, EndReason.ENDED_BY_USER);
});

test('N1: notify tells the members without ringing, on creation and later', async () => {
  const told: string[] = [];
  const theirs = follow(friend);
  friend.state.notifications$.subscribe(({ call, actorUserId }) => told.push(`${actorUserId} ${call.cid}`));
  await eventually(
    () => friend.state.calls,
    () => true,
  );
  await call.getOrCreate({
    notify: true,
    data: { members: [{ user_id: 'myself' }, { user_id: 'my friend' }] },
  });
  await call.getOrCreate({ notify: true });
  await call.get({ notify: true });
  await eventually(
    () => told.length,
    (length) => length >= 2,
  );
  assert.equal(told.at(-1), `myself ${call.cid}`);
  assert.deepEqual(theirs.incoming, []);
  assert.equal(call.state.callState, CallState.IDLE);
});

test('N2: get with ring rings a call that exists', async () => {
  await call.getOrCreate({ data: { members: [{ user_id: 'myself' }, { user_id: 'my friend' }] } });
  const answer = await call.get({ ring: true });
  assert.equal(answer.ringId, call.state.ringId);
  assert.equal(call.state.callingState, CallingState.RINGING);
});

test('C3: a call is created with the options of the page', async () => {
  const me = new RinglineClient({ baseUrl: server.baseUrl, user: 'myself', metadata: { 'x-teams': 'red' } });
  const call = me.call('default', randomUUID());
  await call.getOrCreate({
    ring: false,
    notify: false,
    data: {
      members: [{ user_id: 'myself' }, { user_id: '我的朋友', role: 'host', custom: { seat: 2 } }],
      custom: { topic: 'lunch', tags: ['a', 'b'] },
      settings: { ring: { autoCancelTimeoutMs: 45_000 }, dropWhenAlone: false },
      startsAt: new Date('2030-01-02T03:04:05Z'),
      team: 'red',
    },
  });
  assert.deepEqual(
    call.state.members.map(({ userId, role, custom }) => ({ userId, role, custom })),
    [
      { userId: 'myself', role: 'host', custom: undefined },
      { userId: '我的朋友', role: 'host', custom: { seat: 2 } },
    ],
  );
  assert.deepEqual(call.state.custom, { topic: 'lunch', tags: ['a', 'b'] });
  assert.equal(call.state.startsAt?.toISOString(), '2030-01-02T03:04:05.000Z');
  const { settings, team } = call.state.call ?? {};
  assert.equal(settings?.ring?.autoCancelTimeout?.seconds, 45n);
  assert.equal(settings.ring.incomingCallTimeout?.seconds, 30n);
  assert.equal(settings.dropWhenAlone, false);
  assert.equal(team, 'red');
  await me.close();
});
