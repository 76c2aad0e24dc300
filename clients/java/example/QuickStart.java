import dev.ringline.Call;
import dev.ringline.RinglineClient;
import dev.ringline.v1.CallDirection;

public final class QuickStart {
  public static void main(String[] args) {
    String address = System.getenv().getOrDefault("RINGLINE_ADDRESS", "localhost:50051");
    try (var client = RinglineClient.builder(address).user("my friend").device("phone").build()) {
      client
          .watchCalls(with -> with.directions(CallDirection.CALL_DIRECTION_INCOMING))
          .consume( // the present list at once, and at every change
              calls -> {
                for (Call call : calls) {
                  call.join(); // or call.leave(with -> with.reject(true).reason("decline"))
                  System.out.println("answered " + call.ringerId());
                }
              })
          .join(); // until something is refused; lost connections heal
    }
  }
}
