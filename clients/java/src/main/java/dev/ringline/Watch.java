package dev.ringline;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Something to follow. Each subscription is a watch of its own, with a stream and a daemon thread
 * of its own, on which the subscriber is called.
 *
 * <p>It goes on through lost connections and restarts of the server. It completes when the client
 * is closed, and fails, with a {@link RinglineException}, only if that cannot heal: the credentials
 * or the options are refused, or newer watches of the same device took its place.
 *
 * @param <T> what is told
 */
public final class Watch<T> implements Flow.Publisher<T> {
  private final Function<Flow.Subscriber<? super T>, Following<T>> follow;

  Watch(Function<Flow.Subscriber<? super T>, Following<T>> follow) {
    this.follow = follow;
  }

  @Override
  public void subscribe(Flow.Subscriber<? super T> subscriber) {
    follow.apply(subscriber).start();
  }

  /**
   * Follows with a function, which is called for one item after the other, on a thread of its own.
   *
   * @param consumer is told each item; if it throws, the watch ends
   * @return completes when the watch ends, exceptionally if it failed; cancel it to end the watch
   */
  public CompletableFuture<Void> consume(Consumer<? super T> consumer) {
    CompletableFuture<Void> ended = new CompletableFuture<>();
    subscribe(
        new Flow.Subscriber<T>() {
          private Flow.Subscription subscription;

          @Override
          public void onSubscribe(Flow.Subscription given) {
            subscription = given;
            ended.whenComplete((nothing, failed) -> given.cancel());
            given.request(1);
          }

          @Override
          public void onNext(T item) {
            try {
              consumer.accept(item);
            } catch (RuntimeException | Error e) {
              ended.completeExceptionally(e);
              return;
            }
            subscription.request(1);
          }

          @Override
          public void onError(Throwable failed) {
            ended.completeExceptionally(failed);
          }

          @Override
          public void onComplete() {
            ended.complete(null);
          }
        });
    return ended;
  }
}
