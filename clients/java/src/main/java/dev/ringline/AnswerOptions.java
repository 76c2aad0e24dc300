package dev.ringline;

import java.util.function.Consumer;

/** How to refuse a ring, or to take one back. */
public final class AnswerOptions {
  String reason = "";
  String ringId = "";

  private AnswerOptions() {}

  static AnswerOptions of(Consumer<AnswerOptions> given) {
    AnswerOptions options = new AnswerOptions();
    given.accept(options);
    return options;
  }

  /**
   * Says why. For a reject {@code busy} and {@code timeout} have a meaning, and the default is
   * {@code decline}; for a cancel the default is {@code cancel}.
   *
   * @param text the reason
   * @return this
   */
  public AnswerOptions reason(String text) {
    reason = text;
    return this;
  }

  /**
   * Means this ring, and not the one that the call shows: of a push message, for example.
   *
   * @param id the ring
   * @return this
   */
  public AnswerOptions ringId(String id) {
    ringId = id;
    return this;
  }
}
