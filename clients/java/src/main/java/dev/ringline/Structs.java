package dev.ringline;

import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import java.util.Map;

/** Custom data as the contract's messages. */
final class Structs {
  private Structs() {}

  static Struct of(Map<?, ?> custom) {
    Struct.Builder struct = Struct.newBuilder();
    custom.forEach((key, value) -> struct.putFields((String) key, value(value)));
    return struct.build();
  }

  private static Value value(Object given) {
    Value.Builder value = Value.newBuilder();
    if (given == null) {
      value.setNullValue(NullValue.NULL_VALUE);
    } else if (given instanceof Boolean truth) {
      value.setBoolValue(truth);
    } else if (given instanceof Number number) {
      value.setNumberValue(number.doubleValue());
    } else if (given instanceof String text) {
      value.setStringValue(text);
    } else if (given instanceof Map<?, ?> map) {
      value.setStructValue(of(map));
    } else if (given instanceof Iterable<?> items) {
      ListValue.Builder list = ListValue.newBuilder();
      items.forEach(item -> list.addValues(value(item)));
      value.setListValue(list);
    } else {
      throw new IllegalArgumentException(
          "JSON has no word for a " + given.getClass().getName() + " in custom data.");
    }
    return value.build();
  }
}
