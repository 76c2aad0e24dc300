package dev.ringline.example

import com.google.rpc.ErrorInfo
import dev.ringline.v1.Call
import dev.ringline.v1.CallDirection.CALL_DIRECTION_INCOMING
import dev.ringline.v1.CallServiceGrpcKt.CallServiceCoroutineStub
import dev.ringline.v1.CallingState.CALLING_STATE_JOINED
import dev.ringline.v1.CallingState.CALLING_STATE_RINGING
import dev.ringline.v1.ChangeKind.CHANGE_KIND_ADDED
import dev.ringline.v1.ChangeKind.CHANGE_KIND_REMOVED
import dev.ringline.v1.StopReason.STOP_REASON_ACCEPTED
import dev.ringline.v1.WatchCallsRequest
import dev.ringline.v1.WatchCallsResponse
import dev.ringline.v1.callData
import dev.ringline.v1.copy
import dev.ringline.v1.getOrCreateCallRequest
import dev.ringline.v1.joinCallRequest
import dev.ringline.v1.leaveCallRequest
import dev.ringline.v1.memberInput
import dev.ringline.v1.watchCallsRequest
import io.grpc.ManagedChannel
import io.grpc.ManagedChannelBuilder
import io.grpc.Metadata
import io.grpc.Status
import io.grpc.StatusException
import io.grpc.protobuf.StatusProto
import io.grpc.stub.MetadataUtils.newAttachHeadersInterceptor
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.catch
import kotlinx.coroutines.flow.emitAll
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.onEach
import java.util.UUID
import kotlin.random.Random
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.seconds

/** Rings the others as this user, or, if there are none, waits to be rung and answers. */
suspend fun main(args: Array<String>) {
    if (args.isEmpty()) {
        System.err.println("usage: example USER [WHOM-TO-RING...]")
        exitProcess(2)
    }
    val user = args.first()
    val others = args.drop(1)
    val address = System.getenv("RINGLINE_ADDRESS") ?: "localhost:50051"
    val channel = ManagedChannelBuilder.forTarget(address).usePlaintext().build()
    val phone = Phone(channel, user)
    try {
        if (others.isEmpty()) phone.answer() else phone.ring(others)
    } catch (e: StatusException) {
        System.err.println("refused: ${reason(e)}, ${e.status.description}")
        exitProcess(1)
    } finally {
        channel.shutdownNow()
    }
}

/** A user on a device. */
private class Phone(private val channel: ManagedChannel, private val user: String) {
    private val ringline =
        CallServiceCoroutineStub(channel).withInterceptors(newAttachHeadersInterceptor(identity(user)))

    /** Rings the others, and hangs up a second after one of them has answered. */
    suspend fun ring(others: List<String>) {
        val request = getOrCreateCallRequest {
            type = "default"
            id = "example-${UUID.randomUUID()}"
            ring = true
            data = callData { members += (others + user).map { memberInput { userId = it } } }
            requestId = UUID.randomUUID().toString()
        }
        val call = ringline.getOrCreateCall(request).call
        val last = watch(watchCallsRequest { cids += call.cid }).first {
            val rings = it.change.viewer.callingState == CALLING_STATE_RINGING
            if (rings) println("ringing, for ${secondsLeft(it)} s more")
            it.hasChange() && !rings
        }.change
        if (last.viewer.callingState == CALLING_STATE_JOINED) {
            println("answered; hanging up in a second")
            delay(1.seconds)
            leave(call)
        } else {
            println("over: ${last.call.endReason}")
        }
    }

    /** Answers the first ring that is still there to be answered. */
    suspend fun answer() {
        println("waiting to be rung")
        watch(watchCallsRequest { directions += CALL_DIRECTION_INCOMING }).first {
            val change = it.change
            when (change.kind) {
                CHANGE_KIND_ADDED -> {
                    println("${change.viewer.ringerId} rings, for ${secondsLeft(it)} s more")
                    join(change.call, change.viewer.ringId)
                }
                CHANGE_KIND_REMOVED -> println("stopped ringing: ${change.stopReason}")
                else -> {}
            }
            change.stopReason == STOP_REASON_ACCEPTED
        }
    }

    /** Answers this ring and no later one. One that is over by now is no failure: the watch tells what became of it. */
    private suspend fun join(call: Call, ring: String) {
        val request = joinCallRequest {
            type = call.type
            id = call.id
            ringId = ring
            requestId = UUID.randomUUID().toString()
        }
        try {
            ringline.joinCall(request)
        } catch (e: StatusException) {
            if (reason(e) != "RING_OVER") throw e
            println("too late: ${e.status.description}")
        }
    }

    private suspend fun leave(call: Call) {
        val request = leaveCallRequest {
            type = call.type
            id = call.id
            requestId = UUID.randomUUID().toString()
        }
        ringline.leaveCall(request)
    }

    /** Watches for as long as somebody collects. A stream that is lost goes on where it ended. */
    private fun watch(request: WatchCallsRequest): Flow<WatchCallsResponse> = flow {
        var token = ""
        while (true) {
            val stream = ringline.watchCalls(request.copy { resumeToken = token })
                .onEach { if (it.resumeToken.isNotEmpty()) token = it.resumeToken }
                .catch {
                    if (Status.fromThrowable(it).code != Status.Code.UNAVAILABLE) throw it
                    // At random, so that after a restart not everybody comes back at once.
                    delay(Random.nextLong(1_000))
                    // By default the pause grows to two minutes while the server is away: too long for a phone.
                    channel.resetConnectBackoff()
                }
            emitAll(stream)
        }
    }
}

/** Who one is. A server in development believes it; in production, send `authorization: Bearer TOKEN`. */
private fun identity(user: String) = Metadata().apply {
    // A name may have any letters, so it is sent as bytes.
    put(Metadata.Key.of("x-user-id-bin", Metadata.BINARY_BYTE_MARSHALLER), user.toByteArray())
    put(Metadata.Key.of("x-device-id", Metadata.ASCII_STRING_MARSHALLER), "example")
}

/** How long it rings yet. Both times are the server's: the clock of this machine may be wrong. */
private fun secondsLeft(message: WatchCallsResponse): Long =
    message.change.viewer.ringExpiresAt.seconds - message.serverTime.seconds

/** Why the server refused: a name of ErrorReason without its prefix. */
private fun reason(e: StatusException): String {
    val details = StatusProto.fromThrowable(e)?.detailsList.orEmpty()
    return details.firstOrNull { it.`is`(ErrorInfo::class.java) }?.unpack(ErrorInfo::class.java)?.reason
        ?: e.status.code.name
}
