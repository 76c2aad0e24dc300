// The part with the SDK: its public interface, and nothing below it.
import { fromJson, isFieldSet, type DescMessage, type JsonObject, type MessageShape } from '@bufbuild/protobuf';
import { durationMs, timestampDate, type Duration } from '@bufbuild/protobuf/wkt';
import {
  CallDirection,
  CallingState,
  CallState,
  RinglineClient,
  RinglineError,
  type Call,
  type CallWatch,
  type CreateOptions,
  type MemberOptions,
  type SettingsOptions,
} from 'ringline';
import {
  CallDataSchema,
  CancelCallRequestSchema,
  EndCallRequestSchema,
  GetCallRequestSchema,
  GetOrCreateCallRequestSchema,
  JoinCallRequestSchema,
  RejectCallRequestSchema,
  RingCallRequestSchema,
  UpdateCallMembersRequestSchema,
  UpdateCallRequestSchema,
  WatchCallsRequestSchema,
  type CallSettings,
  type MemberInput,
  type Participant,
} from 'ringline/v1';
import { errorLine, find, type Operation } from './protocol.js';

/** A client, and the calls that it has shown, which are then those that the verbs mean. */
interface Phone {
  readonly client: RinglineClient;
  readonly shown: Set<Call>;
}

const clients = new Map<string, Phone>();
const watches = new Map<string, CallWatch>();

function failure(error: unknown): object {
  if (!(error instanceof RinglineError)) {
    throw error;
  }
  return errorLine(error);
}

function name(values: Readonly<Record<number, string | undefined>>, value: number): string {
  return values[value] ?? `UNKNOWN(${String(value)})`;
}

function callLine(call: Call, participant?: Participant): object {
  const { state } = call;
  return {
    cid: call.cid,
    createdByMe: call.isCreatedByMe,
    ...(state.call && {
      uid: state.call.uid,
      revision: state.revision,
      state: name(CallState, state.callState),
      callingState: name(CallingState, state.callingState),
      direction: name(CallDirection, state.direction),
      ringId: state.ringId,
    }),
    ...(state.secondsLeft !== undefined && { secondsLeft: state.secondsLeft }),
    ...(participant && { participant: { userId: participant.userId, deviceId: participant.deviceId } }),
  };
}

const milliseconds = (duration: Duration | undefined) => duration && durationMs(duration);

function settingsOf({ ring, limits, endWhenEmpty, dropWhenAlone }: CallSettings): SettingsOptions {
  return {
    ring: ring && {
      autoCancelTimeoutMs: milliseconds(ring.autoCancelTimeout),
      incomingCallTimeoutMs: milliseconds(ring.incomingCallTimeout),
    },
    limits: limits && {
      maxDurationMs: milliseconds(limits.maxDuration),
      participantTimeoutMs: milliseconds(limits.participantTimeout),
    },
    endWhenEmpty,
    dropWhenAlone,
  };
}

function memberOf({ userId, role, custom }: MemberInput): MemberOptions {
  return { user_id: userId, role: role === '' ? undefined : role, custom };
}

function dataOf(data: MessageShape<typeof CallDataSchema>): CreateOptions {
  const { members, custom, settings, startsAt, team, createdById } = data;
  if (createdById !== '') {
    throw new Error('The SDK has no option for created_by_id.');
  }
  return {
    members: members.map(memberOf),
    custom,
    settings: settings && settingsOf(settings),
    startsAt: startsAt && timestampDate(startsAt),
    team: team === '' ? undefined : team,
  };
}

/** The arguments as the request they are fields of; refuses what the SDK has no word for. */
function read<D extends DescMessage>(schema: D, args: JsonObject, ...fields: string[]): MessageShape<D> {
  const message = fromJson(schema, args);
  const unknown = schema.fields.filter((field) => isFieldSet(message, field) && !fields.includes(field.localName));
  if (unknown.length > 0) {
    throw new Error(`The SDK has no option for ${unknown.map((field) => field.name).join(', ')}.`);
  }
  return message;
}

const verbs: Readonly<Record<string, (call: Call, args: JsonObject) => Promise<object>>> = {
  getOrCreate: (call, args) => {
    const { data, ring, notify, video } = read(GetOrCreateCallRequestSchema, args, 'data', 'ring', 'notify', 'video');
    return call.getOrCreate({ ring, notify, video, data: data && dataOf(data) });
  },
  get: (call, args) => {
    const { ring, notify, video } = read(GetCallRequestSchema, args, 'ring', 'notify', 'video');
    return call.get({ ring, notify, video });
  },
  ring: (call, args) => {
    const { userIds, video } = read(RingCallRequestSchema, args, 'userIds', 'video');
    return call.ring({ userIds, video });
  },
  join: (call, args) => {
    const { mode, ringId } = read(JoinCallRequestSchema, args, 'mode', 'ringId');
    return call.join({ mode, ringId: ringId === '' ? undefined : ringId });
  },
  leave: (call, { reject, reason }) => call.leave({ reject: reject === true, reason: text(reason) }),
  reject: (call, args) => {
    const { reason, ringId } = read(RejectCallRequestSchema, args, 'reason', 'ringId');
    return call.reject({ reason, ringId: ringId === '' ? undefined : ringId });
  },
  cancel: (call, args) => {
    const { reason, ringId } = read(CancelCallRequestSchema, args, 'reason', 'ringId');
    return call.cancel({ reason, ringId: ringId === '' ? undefined : ringId });
  },
  end: (call, args) => call.endCall({ reason: read(EndCallRequestSchema, args, 'reason').reason }),
  update: (call, args) => {
    const fields = ['custom', 'settings', 'startsAt', 'updateMask', 'expectedRevision'];
    const { custom, settings, startsAt, updateMask, expectedRevision } = read(UpdateCallRequestSchema, args, ...fields);
    return call.update({
      custom,
      settings: settings && settingsOf(settings),
      startsAt: startsAt && timestampDate(startsAt),
      updateMask: updateMask?.paths,
      expectedRevision,
    });
  },
  updateMembers: (call, args) => {
    const fields = ['upsertMembers', 'removeUserIds', 'ring', 'video'];
    const { upsertMembers, removeUserIds, ring, video } = read(UpdateCallMembersRequestSchema, args, ...fields);
    return call.updateMembers({ upsert: upsertMembers.map(memberOf), remove: removeUserIds, ring, video });
  },
};

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

const connect: Operation = ({ client, address, user, device }) => {
  clients.set(client, { client: new RinglineClient({ baseUrl: `http://${address}`, user, device }), shown: new Set() });
  return {};
};

const act: Operation = async ({ client, verb, type, callId, args = {} }) => {
  const phone = find(clients, client);
  const call = phone.client.call(type, callId);
  phone.shown.add(call);
  const act = verbs[verb];
  if (act === undefined) {
    throw new Error(`There is no verb ${verb}.`);
  }
  try {
    const answer = await act(call, args);
    return { result: callLine(call, 'participant' in answer ? (answer.participant as Participant) : undefined) };
  } catch (error) {
    return { error: failure(error) };
  }
};

const follow: Operation = ({ client, follow: name, args = {} }, report) => {
  const fields = ['directions', 'callingStates', 'callStates', 'types', 'cids', 'heartbeatInterval'];
  const { heartbeatInterval, ...request } = read(WatchCallsRequestSchema, args, ...fields);
  const { directions, callingStates, callStates, types, cids } = request;
  const filter = { directions, callingStates, callStates, types, cids };
  const phone = find(clients, client);
  const watch = phone.client.watchCalls({ ...filter, heartbeatIntervalMs: milliseconds(heartbeatInterval) });
  watches.set(name, watch);
  const run = async (): Promise<object> => {
    try {
      for await (const calls of watch) {
        calls.forEach((call) => phone.shown.add(call));
        const sorted = [...calls].sort((a, b) => (a.cid < b.cid ? -1 : 1));
        report({ follow: name, calls: sorted.map((call) => callLine(call)) });
      }
      return { code: 'OK' };
    } catch (error) {
      return failure(error);
    }
  };
  setImmediate(() => {
    void run().then((end) => {
      watches.delete(name);
      report({ follow: name, end });
    });
  });
  return {};
};

const unfollow: Operation = ({ follow: name }) => {
  const watch = find(watches, name);
  setImmediate(() => {
    void watch.return();
  });
  return {};
};

/** Closes the client of this name, if there is one. */
export async function close(name: string): Promise<void> {
  const phone = clients.get(name);
  clients.delete(name);
  await phone?.client.close();
}

export const operations = { 'sdk.connect': connect, 'sdk.do': act, 'sdk.follow': follow, 'sdk.unfollow': unfollow };
