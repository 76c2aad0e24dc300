import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromDate, type Duration } from '@bufbuild/protobuf/wkt';
import type { CallSettingsSchema } from './gen/ringline/v1/call_pb.js';
import type { CallDataSchema, MemberInputSchema } from './gen/ringline/v1/call_service_pb.js';

/** A user to be listed on a call. */
export interface MemberOptions {
  /** The user. Users need not be known beforehand. */
  user_id: string;
  /** `call_member`, unless given, or `host`. */
  role?: string | undefined;
  /** The app's own data about the member, at most 1 KiB. */
  custom?: JsonObject | undefined;
}

/** Settings that override those of the call type, field by field. */
export interface SettingsOptions {
  ring?:
    | {
        /** How long a ring waits for its first answer: 1 s to 10 min. */
        autoCancelTimeoutMs?: number | undefined;
        /** How long each target rings: 1 s to 10 min. */
        incomingCallTimeoutMs?: number | undefined;
      }
    | undefined;
  limits?:
    | {
        /** How long a session may last, from its first participant: 1 s to 7 d. */
        maxDurationMs?: number | undefined;
        /** After how long without a watch a participant is lost: 10 s to 10 min. Off unless given. */
        participantTimeoutMs?: number | undefined;
      }
    | undefined;
  /** Whether a call is over once nobody is in and nobody rings. */
  endWhenEmpty?: boolean | undefined;
  /** Whether the last one who is left after a ring is put out. */
  dropWhenAlone?: boolean | undefined;
}

/** What a call is created with. On a call that exists it changes nothing; `members` are then those to be rung. */
export interface CreateOptions {
  /** The users to list: at most 100. With `ring` the creator must be one of them. */
  members?: readonly MemberOptions[] | undefined;
  /** The app's own data, at most 16 KiB. */
  custom?: JsonObject | undefined;
  settings?: SettingsOptions | undefined;
  /** When the call is meant to start. It delays nothing. */
  startsAt?: Date | string | undefined;
  /** The tenant that the call belongs to: one of the creator's. */
  team?: string | undefined;
}

/** Whether to ring or to notify, and what clients show. */
export interface AlertOptions {
  /** Rings the members: those that are given, else all. */
  ring?: boolean | undefined;
  /** Tells every other member, without ringing. */
  notify?: boolean | undefined;
  /** Says that it is about a video call. */
  video?: boolean | undefined;
}

/** How a member is written in the contract. */
export function memberInput(member: MemberOptions): MessageInitShape<typeof MemberInputSchema> {
  const { user_id: userId, role, custom } = member;
  return { userId, ...(role !== undefined && { role }), ...(custom !== undefined && { custom }) };
}

/** How settings are written in the contract. */
export function settingsInput(settings: SettingsOptions): MessageInitShape<typeof CallSettingsSchema> {
  const { ring, limits, endWhenEmpty, dropWhenAlone } = settings;
  return {
    ...(ring && {
      ring: {
        ...set(ring.autoCancelTimeoutMs, (autoCancelTimeout) => ({ autoCancelTimeout })),
        ...set(ring.incomingCallTimeoutMs, (incomingCallTimeout) => ({ incomingCallTimeout })),
      },
    }),
    ...(limits && {
      limits: {
        ...set(limits.maxDurationMs, (maxDuration) => ({ maxDuration })),
        ...set(limits.participantTimeoutMs, (participantTimeout) => ({ participantTimeout })),
      },
    }),
    ...(endWhenEmpty !== undefined && { endWhenEmpty }),
    ...(dropWhenAlone !== undefined && { dropWhenAlone }),
  };
}

/** How the data of a new call are written in the contract. */
export function dataInput(data: CreateOptions): MessageInitShape<typeof CallDataSchema> {
  const { members, custom, settings, startsAt, team } = data;
  return {
    ...(members && { members: members.map(memberInput) }),
    ...(custom && { custom }),
    ...(settings && { settings: settingsInput(settings) }),
    ...(startsAt !== undefined && { startsAt: timestampFromDate(new Date(startsAt)) }),
    ...(team !== undefined && { team }),
  };
}

function set<T>(milliseconds: number | undefined, field: (duration: Duration) => T): T | undefined {
  return milliseconds === undefined ? undefined : field(durationFromMs(milliseconds));
}
