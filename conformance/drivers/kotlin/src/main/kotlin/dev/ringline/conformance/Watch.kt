package dev.ringline.conformance

import com.google.gson.JsonElement
import dev.ringline.v1.WatchCallsResponse
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withContext

/** A stream that can be paused: while nothing is read, flow control holds the server back. */
class Watch(private val messages: Flow<WatchCallsResponse>) {
    private val reading = MutableStateFlow(true)
    private val job = Job()

    fun pause() {
        reading.value = false
    }

    fun resume() {
        reading.value = true
    }

    fun cancel() = job.cancel()

    /** Tells everything that the stream brings, and returns how it ended. */
    suspend fun read(tell: (JsonElement) -> Unit): Map<String, Any> = try {
        withContext(job) {
            messages.collect {
                tell(shown(it))
                reading.first { it }
            }
        }
        mapOf("code" to "OK")
    } catch (e: Exception) {
        explained(e)
    }
}
