package dev.ringline;

import java.util.function.Consumer;

/** How to leave a call. */
public final class LeaveOptions {
  boolean reject;
  String reason = "";

  private LeaveOptions() {}

  static LeaveOptions of(Consumer<LeaveOptions> given) {
    LeaveOptions options = new LeaveOptions();
    given.accept(options);
    return options;
  }

  /**
   * Refuses the call if it rings the user, and takes it back if the user's ring is unanswered.
   *
   * @param reject whether to do so
   * @return this
   */
  public LeaveOptions reject(boolean reject) {
    this.reject = reject;
    return this;
  }

  /**
   * Says why.
   *
   * @param text the reason
   * @return this
   */
  public LeaveOptions reason(String text) {
    reason = text;
    return this;
  }
}
