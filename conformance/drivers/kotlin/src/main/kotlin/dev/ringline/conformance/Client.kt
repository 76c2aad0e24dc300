package dev.ringline.conformance

import com.google.gson.JsonElement
import com.google.gson.JsonParser
import com.google.protobuf.Message
import com.google.protobuf.util.JsonFormat
import dev.ringline.v1.CallServiceGrpcKt.CallServiceCoroutineStub
import dev.ringline.v1.CancelCallRequest
import dev.ringline.v1.EndCallRequest
import dev.ringline.v1.GetCallRequest
import dev.ringline.v1.GetOrCreateCallRequest
import dev.ringline.v1.JoinCallRequest
import dev.ringline.v1.LeaveCallRequest
import dev.ringline.v1.ListCallEventsRequest
import dev.ringline.v1.ListCallsRequest
import dev.ringline.v1.ListEventsRequest
import dev.ringline.v1.RejectCallRequest
import dev.ringline.v1.RingCallRequest
import dev.ringline.v1.UpdateCallMembersRequest
import dev.ringline.v1.UpdateCallRequest
import dev.ringline.v1.WatchCallsRequest
import io.grpc.ManagedChannelBuilder
import io.grpc.Metadata
import io.grpc.stub.MetadataUtils.newAttachHeadersInterceptor
import java.util.Base64
import java.util.concurrent.TimeUnit

/** A client of the generated stubs: one channel, and the metadata of every RPC. */
class Client(address: String, metadata: JsonElement?) {
    private val channel = ManagedChannelBuilder.forTarget(address)
        .usePlaintext()
        .disableRetry()
        .maxInboundMessageSize(Int.MAX_VALUE)
        .build()
    private val identity = newAttachHeadersInterceptor(headers(metadata))
    private val stub = CallServiceCoroutineStub(channel).withInterceptors(identity)
    private val watches = mutableListOf<Watch>()

    suspend fun unary(method: String, request: JsonElement?, timeout: Double?): JsonElement {
        val inTime = timeout?.let { stub.withDeadlineAfter((it * 1e9).toLong(), TimeUnit.NANOSECONDS) } ?: stub
        return shown(inTime.call(method, request))
    }

    fun watch(request: JsonElement?): Watch =
        Watch(stub.watchCalls(parsed(WatchCallsRequest.newBuilder(), request).build())).also { watches += it }

    fun close() {
        watches.forEach { it.cancel() }
        channel.shutdownNow()
    }
}

private fun headers(metadata: JsonElement?) = Metadata().apply {
    metadata?.asJsonObject?.entrySet()?.forEach { (key, value) ->
        if (key.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
            val bytes = Base64.getDecoder().decode(value.asString)
            put(Metadata.Key.of(key, Metadata.BINARY_BYTE_MARSHALLER), bytes)
        } else {
            put(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER), value.asString)
        }
    }
}

private suspend fun CallServiceCoroutineStub.call(method: String, fields: JsonElement?): Message = when (method) {
    "GetOrCreateCall" -> getOrCreateCall(parsed(GetOrCreateCallRequest.newBuilder(), fields).build())
    "GetCall" -> getCall(parsed(GetCallRequest.newBuilder(), fields).build())
    "ListCalls" -> listCalls(parsed(ListCallsRequest.newBuilder(), fields).build())
    "UpdateCall" -> updateCall(parsed(UpdateCallRequest.newBuilder(), fields).build())
    "UpdateCallMembers" -> updateCallMembers(parsed(UpdateCallMembersRequest.newBuilder(), fields).build())
    "RingCall" -> ringCall(parsed(RingCallRequest.newBuilder(), fields).build())
    "JoinCall" -> joinCall(parsed(JoinCallRequest.newBuilder(), fields).build())
    "RejectCall" -> rejectCall(parsed(RejectCallRequest.newBuilder(), fields).build())
    "CancelCall" -> cancelCall(parsed(CancelCallRequest.newBuilder(), fields).build())
    "LeaveCall" -> leaveCall(parsed(LeaveCallRequest.newBuilder(), fields).build())
    "EndCall" -> endCall(parsed(EndCallRequest.newBuilder(), fields).build())
    "ListCallEvents" -> listCallEvents(parsed(ListCallEventsRequest.newBuilder(), fields).build())
    "ListEvents" -> listEvents(parsed(ListEventsRequest.newBuilder(), fields).build())
    else -> throw IllegalArgumentException("there is no method $method")
}

private fun <B : Message.Builder> parsed(builder: B, fields: JsonElement?): B = builder.apply {
    fields?.let { JsonFormat.parser().merge(it.toString(), this) }
}

/** A message in JSON. */
fun shown(message: Message): JsonElement = JsonParser.parseString(JsonFormat.printer().print(message))
