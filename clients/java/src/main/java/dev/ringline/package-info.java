/**
 * Ringline rings people, and is rung: the client of Ringline for Java.
 *
 * <pre>{@code
 * try (RinglineClient client = RinglineClient.builder("localhost:50051").user("alice").device("phone").build()) {
 *   client.call("default", "standup").getOrCreate(with -> with.ring(true).members("alice", "bob"));
 * }
 * }</pre>
 *
 * <p>The server owns every ring: its state, its deadline and its outcome. A {@link
 * dev.ringline.Call} shows what it was last told; nothing here is worked out, and no timer of the
 * client's decides anything. {@link dev.ringline.RinglineClient#watchCalls()} hands out the calls
 * that ring, at once and at every change: it survives lost connections and restarts of the server.
 *
 * <p>Every verb that acts carries a request id, and is repeated under it while the server is
 * unavailable, so that it happens once. Every answer names the ring that the call shows, so that a
 * late tap never answers or stops another one. What the server refuses is a {@link
 * dev.ringline.RinglineException}.
 *
 * <p>Verbs block until they are answered. Where that is not wanted, run them on an executor.
 *
 * <p>The contract's own messages are in the package {@code dev.ringline.v1}.
 */
package dev.ringline;
