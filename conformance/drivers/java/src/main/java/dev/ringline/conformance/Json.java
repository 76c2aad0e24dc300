package dev.ringline.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;

/** Messages in JSON. */
final class Json {
  private Json() {}

  static JsonElement of(MessageOrBuilder message) {
    try {
      return JsonParser.parseString(JsonFormat.printer().print(message));
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException(e);
    }
  }

  /** Reads fields, none if there are none, into a message. */
  static <B extends Message.Builder> B read(JsonElement fields, B message) {
    try {
      if (fields != null) {
        JsonFormat.parser().merge(fields.toString(), message);
      }
      return message;
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException(e);
    }
  }
}
