/**
 * Ring people, and be rung: the client of Ringline.
 *
 * @module
 */
export { RinglineClient, type ClientOptions, type ListOptions } from './client.js';
export {
  Call,
  type AnswerOptions,
  type EndOptions,
  type GetOrCreateOptions,
  type JoinOptions,
  type LeaveOptions,
  type RingOptions,
  type UpdateMembersOptions,
  type UpdateOptions,
} from './call.js';
export type { CallView } from './view.js';
export type { ClientState } from './state.js';
export type { CallWatch } from './watch.js';
export type { CallChange, CallNotification, WatchFilter } from './follow.js';
export type { AlertOptions, CreateOptions, MemberOptions, SettingsOptions } from './options.js';
export { RinglineError, type ErrorCode, type ErrorParts, type ErrorReason } from './errors.js';
export type { Runtime } from './runtime.js';
export type { RinglineTransport } from './transport/transport.js';
export {
  CallDirection,
  CallEventType,
  CallingState,
  CallState,
  Capability,
  EndReason,
  JoinMode,
  RingState,
  RingTargetState,
  SkipReason,
  StopReason,
} from './gen/ringline/v1/call_pb.js';
export { CallOrder, ChangeKind } from './gen/ringline/v1/call_service_pb.js';
export type {
  CancelCallResponse,
  EndCallResponse,
  GetCallResponse,
  GetOrCreateCallResponse,
  JoinCallResponse,
  LeaveCallResponse,
  RejectCallResponse,
  RingCallResponse,
  UpdateCallMembersResponse,
  UpdateCallResponse,
} from './gen/ringline/v1/call_service_pb.js';
