package dev.ringline.conformance

import com.google.gson.GsonBuilder
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import com.google.protobuf.RuntimeVersion
import io.grpc.Grpc
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import java.io.FileDescriptor
import java.io.FileOutputStream
import java.io.PrintStream

/**
 * The conformance driver for Kotlin: what it must do is in conformance/protocol.md. Commands come on stdin, reports go
 * to stdout. All of it runs on one thread, and a command begins before the next one is read.
 */
fun main() = runBlocking {
    val driver = Driver(this)
    val lines = System.`in`.bufferedReader()
    while (true) {
        val line = withContext(Dispatchers.IO) { lines.readLine() } ?: break
        driver.take(JsonParser.parseString(line).asJsonObject)
    }
    driver.close()
}

private class Driver(private val beside: CoroutineScope) {
    private val reports = PrintStream(FileOutputStream(FileDescriptor.out), true, Charsets.UTF_8)
    private val gson = GsonBuilder().disableHtmlEscaping().serializeNulls().create()
    private val clients = mutableMapOf<String, Client>()
    private val watches = mutableMapOf<String, Watch>()

    /** Begins a command. What may take long runs beside. */
    fun take(command: JsonObject) {
        beside.launch {
            val answer = try {
                answer(command)
            } catch (e: Exception) {
                mapOf("error" to explained(e))
            }
            report(mapOf("id" to command["id"]) + answer)
            if (command.text("op") == "watch" && "error" !in answer) follow(command.text("watch"))
        }
    }

    fun close() = clients.values.forEach { it.close() }

    private suspend fun answer(command: JsonObject): Map<String, Any> {
        when (val op = command.text("op")) {
            "hello" -> return mapOf("language" to "kotlin", "sdk" to false, "versions" to versions())
            "connect" -> clients[command.text("client")] = Client(command.text("address"), command["metadata"])
            "unary" -> {
                val client = clients.getValue(command.text("client"))
                val timeout = command["timeout"]?.asDouble
                return mapOf("response" to client.unary(command.text("method"), command["request"], timeout))
            }
            "watch" -> watches[command.text("watch")] =
                clients.getValue(command.text("client")).watch(command["request"])
            "pause" -> watches.getValue(command.text("watch")).pause()
            "resume" -> watches.getValue(command.text("watch")).resume()
            "cancel" -> watches.getValue(command.text("watch")).cancel()
            "close" -> clients.getValue(command.text("client")).close()
            else -> throw IllegalArgumentException("there is no op $op")
        }
        return emptyMap()
    }

    private suspend fun follow(name: String) {
        val end = watches.getValue(name).read { report(mapOf("watch" to name, "message" to it)) }
        report(mapOf("watch" to name, "end" to end))
    }

    private fun report(fields: Map<String, Any?>) = reports.println(gson.toJson(fields))
}

private fun JsonObject.text(key: String): String = this[key].asString

private fun versions() = mapOf(
    "grpc" to Grpc::class.java.`package`.implementationVersion,
    // Asked by name: a constant would be that of the compiler.
    "protobuf" to listOf("MAJOR", "MINOR", "PATCH").joinToString(".") {
        RuntimeVersion::class.java.getField(it).get(null).toString()
    },
    "kotlin" to KotlinVersion.CURRENT.toString(),
)
