package dev.ringline.conformance

import com.google.protobuf.Message
import com.google.protobuf.util.Durations
import com.google.rpc.BadRequest
import com.google.rpc.ErrorInfo
import com.google.rpc.RetryInfo
import io.grpc.StatusException
import io.grpc.protobuf.StatusProto
import kotlinx.coroutines.CancellationException
import com.google.protobuf.Any as Packed

/** An error as the runner wants it: of an RPC with its details, or of the driver, that could not do as it was told. */
fun explained(error: Exception): Map<String, Any> = when (error) {
    is StatusException -> refused(error)
    is CancellationException -> mapOf("code" to "CANCELLED", "message" to "cancelled by the client")
    else -> mapOf("code" to "UNKNOWN", "message" to "driver: $error")
}

private fun refused(error: StatusException): Map<String, Any> = buildMap {
    put("code", error.status.code.name)
    put("message", error.status.description.orEmpty())
    for (detail in StatusProto.fromThrowable(error)?.detailsList.orEmpty()) {
        detail.unpacked<ErrorInfo>()?.let {
            put("reason", it.reason)
            put("metadata", it.metadataMap)
        }
        detail.unpacked<BadRequest>()?.let { bad -> put("fields", bad.fieldViolationsList.map { it.field }) }
        detail.unpacked<RetryInfo>()?.let { put("retryAfter", Durations.toNanos(it.retryDelay) / 1e9) }
    }
}

private inline fun <reified M : Message> Packed.unpacked(): M? =
    if (`is`(M::class.java)) unpack(M::class.java) else null
