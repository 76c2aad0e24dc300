/**
 * The contract as it is: messages, enums and the service of `ringline.v1`, generated from `proto/`.
 *
 * The client in `ringline` is made of these, and its answers are these messages. Use them directly for what the client
 * does not wrap, such as `ListEvents`.
 *
 * @module
 */
export * from './gen/ringline/v1/call_pb.js';
export * from './gen/ringline/v1/call_service_pb.js';
export * from './gen/ringline/v1/error_reason_pb.js';
export { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.js';
