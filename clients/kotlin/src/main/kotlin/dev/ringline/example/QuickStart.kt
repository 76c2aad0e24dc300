package dev.ringline.example

import dev.ringline.v1.CallDirection.CALL_DIRECTION_INCOMING
import dev.ringline.v1.CallServiceGrpcKt.CallServiceCoroutineStub
import dev.ringline.v1.ChangeKind.CHANGE_KIND_ADDED
import dev.ringline.v1.JoinCallRequest
import dev.ringline.v1.watchCallsRequest
import io.grpc.ManagedChannelBuilder
import io.grpc.Metadata
import io.grpc.stub.MetadataUtils.newAttachHeadersInterceptor

suspend fun main() {
    val channel = ManagedChannelBuilder.forTarget(System.getenv("RINGLINE_ADDRESS") ?: "localhost:50051").usePlaintext()
    val userId = Metadata.Key.of("x-user-id", Metadata.ASCII_STRING_MARSHALLER)
    val identity = newAttachHeadersInterceptor(Metadata().apply { put(userId, "my friend") })
    val ringline = CallServiceCoroutineStub(channel.build()).withInterceptors(identity)
    ringline.watchCalls(watchCallsRequest { directions += CALL_DIRECTION_INCOMING }).collect {
        val (call, viewer) = it.change.call to it.change.viewer
        if (it.change.kind != CHANGE_KIND_ADDED) return@collect
        val answer = JoinCallRequest.newBuilder().setType(call.type).setId(call.id).setRingId(viewer.ringId)
        ringline.joinCall(answer.build())
        println("answered ${viewer.ringerId}")
    }
}
