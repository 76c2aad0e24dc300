package dev.ringline;

import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;

/** The names of the contract's enum values, to be shown and logged. */
public final class EnumNames {
  private EnumNames() {}

  /**
   * Returns the name of a value without its prefix, such as {@code RINGING}, and of one that a
   * newer server sent its number, as {@code UNKNOWN(17)}.
   *
   * @param type the enum, such as {@code CallState.getDescriptor()}
   * @param number the number of the value, such as {@code message.getStateValue()}
   * @return the name
   */
  public static String of(EnumDescriptor type, int number) {
    EnumValueDescriptor value = type.findValueByNumber(number);
    if (value == null) {
      return "UNKNOWN(" + number + ")";
    }
    String prefix =
        type.getName().replaceAll("(?<=.)(?=[A-Z])", "_").toUpperCase(java.util.Locale.ROOT) + "_";
    return value.getName().startsWith(prefix)
        ? value.getName().substring(prefix.length())
        : value.getName();
  }
}
