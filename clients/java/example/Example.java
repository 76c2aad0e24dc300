import dev.ringline.Call;
import dev.ringline.EnumNames;
import dev.ringline.RinglineClient;
import dev.ringline.RinglineException;
import dev.ringline.v1.CallDirection;
import dev.ringline.v1.EndReason;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Rings somebody and hangs up, or waits to be rung and answers: {@code Example USER
 * [WHOM-TO-RING...]}.
 */
public final class Example {
  public static void main(String[] args) {
    String address = System.getenv().getOrDefault("RINGLINE_ADDRESS", "localhost:50051");
    try (RinglineClient client =
        RinglineClient.builder(address).user(args[0]).device("example").build()) {
      if (args.length > 1) {
        ring(client, args[0], List.of(args).subList(1, args.length));
      } else {
        answer(client);
      }
    }
  }

  /** Rings the others, and hangs up 3 s after one of them answered. */
  private static void ring(RinglineClient client, String user, List<String> others) {
    List<String> members = new ArrayList<>(others);
    members.add(user);
    Call call = client.call("default", "example-of-" + user);
    call.getOrCreate(with -> with.ring(true).members(members.toArray(String[]::new)));

    CompletableFuture<Call> answered = new CompletableFuture<>();
    var watch =
        client
            .watchCalls(with -> with.cids(call.cid()))
            .consume(calls -> calls.forEach(now -> follow(now, answered)));
    CompletableFuture.anyOf(answered, watch).join(); // the watch ends only if it failed
    if (answered.join() != null) {
      System.out.println("answered; hanging up in 3 s");
      sleep(3);
      call.leave();
    }
    watch.cancel(false);
  }

  private static void follow(Call call, CompletableFuture<Call> answered) {
    switch (call.callingState()) {
      case CALLING_STATE_RINGING ->
          call.timeLeft()
              .ifPresent(
                  left -> System.out.println("ringing, for " + left.toSeconds() + " s more"));
      case CALLING_STATE_JOINED -> answered.complete(call);
      default -> {
        int reason = call.message().getEndReasonValue();
        System.out.println("over: " + EnumNames.of(EndReason.getDescriptor(), reason));
        answered.complete(null);
      }
    }
  }

  /** Answers the first call that rings. */
  private static void answer(RinglineClient client) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    var watch =
        client
            .watchCalls(with -> with.directions(CallDirection.CALL_DIRECTION_INCOMING))
            .consume(
                calls -> {
                  System.out.println(calls.size() + " calls ring");
                  for (Call call : calls) {
                    try {
                      call.join();
                      System.out.println("answered " + call.ringerId());
                      done.complete(null);
                    } catch (RinglineException e) {
                      System.out.println(call.ringerId() + " rang, but: " + e.getMessage());
                    }
                  }
                });
    CompletableFuture.anyOf(done, watch).join();
    watch.cancel(false);
  }

  private static void sleep(int seconds) {
    try {
      Thread.sleep(seconds * 1000L);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
