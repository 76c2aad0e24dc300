package dev.ringline;

import java.util.HashMap;
import java.util.Map;

/**
 * The newest revisions seen, by uid. They are bounded: of a service's watch of everything there may
 * be any number, and what was not seen for a long time does not come late.
 */
final class Revisions {
  static final int MAX = 5000;

  private Map<String, Integer> young = new HashMap<>();
  private Map<String, Integer> old = new HashMap<>();

  /** Whether a call is not older than what was seen of it. */
  boolean isNews(dev.ringline.v1.Call call) {
    String uid = call.getUid();
    int seen = Math.max(young.getOrDefault(uid, 0), old.getOrDefault(uid, 0));
    if (call.getRevision() < seen) {
      return false;
    }
    if (young.size() >= MAX) {
      old = young;
      young = new HashMap<>();
    }
    young.put(uid, call.getRevision());
    return true;
  }

  void forget() {
    young.clear();
    old.clear();
  }
}
