//! A place for one value, of which a reader that is slow gets only the latest.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

#[derive(Debug)]
struct Place<T> {
    value: Option<T>,
    ended: bool,
    waiting: Option<Waker>,
}

/// The end that puts values; when it is dropped, the reader gets the last one and then None.
#[derive(Debug)]
pub(crate) struct Putter<T>(Arc<Mutex<Place<T>>>);

/// The end that takes them.
#[derive(Debug)]
pub(crate) struct Taker<T>(Arc<Mutex<Place<T>>>);

pub(crate) fn latest<T>() -> (Putter<T>, Taker<T>) {
    let place = Arc::new(Mutex::new(Place { value: None, ended: false, waiting: None }));
    (Putter(place.clone()), Taker(place))
}

impl<T> Putter<T> {
    /// Replaces a value that nobody has taken.
    pub(crate) fn put(&self, value: T) {
        self.change(|place| place.value = Some(value));
    }

    fn change(&self, change: impl FnOnce(&mut Place<T>)) {
        let waiting = {
            let mut place = self.0.lock().unwrap();
            change(&mut place);
            place.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl<T> Drop for Putter<T> {
    fn drop(&mut self) {
        self.change(|place| place.ended = true);
    }
}

impl<T> Taker<T> {
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut place = self.0.lock().unwrap();
        match place.value.take() {
            Some(value) => Poll::Ready(Some(value)),
            None if place.ended => Poll::Ready(None),
            None => {
                place.waiting = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    impl<T> Taker<T> {
        async fn next(&mut self) -> Option<T> {
            poll_fn(|context| self.poll(context)).await
        }
    }

    #[tokio::test]
    async fn who_is_slow_gets_the_latest_and_then_the_end() {
        let (putter, mut taker) = latest();
        putter.put(1);
        putter.put(2);
        assert_eq!(taker.next().await, Some(2));
        putter.put(3);
        drop(putter);
        assert_eq!(taker.next().await, Some(3));
        assert_eq!(taker.next().await, None);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let (putter, mut taker) = latest();
        let waiting = tokio::spawn(async move { taker.next().await });
        tokio::task::yield_now().await;
        putter.put(1);
        assert_eq!(waiting.await.unwrap(), Some(1));
    }
}
