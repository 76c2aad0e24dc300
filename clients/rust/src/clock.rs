//! The server's time, and how long to wait before trying again.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// What the server's clock says now, from what it said last and the time since. The device's time of day is never asked.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(Mutex<Option<Said>>);

#[derive(Clone, Copy, Debug)]
struct Said {
    time: SystemTime,
    heard: Instant,
}

impl Said {
    fn now(self) -> SystemTime {
        self.time + self.heard.elapsed()
    }
}

impl ServerClock {
    /// Takes what the server's clock says now.
    pub(crate) fn told(&self, time: SystemTime) {
        *self.0.lock().unwrap() = Some(Said { time, heard: Instant::now() });
    }

    /// Takes what the server's clock probably says now, if nothing better is known.
    pub(crate) fn guess(&self, time: SystemTime) {
        self.0.lock().unwrap().get_or_insert_with(|| Said { time, heard: Instant::now() });
    }

    /// Takes that the server spoke of this time as past. Alone it does not tell how long ago that was.
    pub(crate) fn is_past(&self, then: SystemTime) {
        if let Some(said) = self.0.lock().unwrap().as_mut().filter(|said| then > said.now()) {
            *said = Said { time: then, heard: Instant::now() };
        }
    }

    /// Returns how long it is until then, None if nothing is known of the server's clock.
    pub(crate) fn until(&self, then: SystemTime) -> Option<Duration> {
        let said = (*self.0.lock().unwrap())?;
        Some(then.duration_since(said.now()).unwrap_or_default())
    }
}

/// How long to wait before trying again: full jitter, so that many clients do not come back all at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jitter {
    base: Duration,
    limit: Duration,
}

pub(crate) const RETRYING: Jitter = Jitter { base: Duration::from_millis(100), limit: Duration::from_secs(2) };
pub(crate) const RECONNECTING: Jitter = Jitter { base: Duration::from_millis(500), limit: Duration::from_secs(10) };

impl Jitter {
    /// Returns the time before the attempt after this one, counted from 0. What the server asks for comes on top: nobody
    /// comes back sooner.
    pub(crate) fn delay(self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        self.delay_by(chance(), attempt, retry_after)
    }

    fn delay_by(self, chance: f64, attempt: u32, retry_after: Option<Duration>) -> Duration {
        let ceiling = self.limit.min(self.base * (1 << attempt.min(16)));
        retry_after.unwrap_or_default() + ceiling.mul_f64(chance)
    }
}

/// Returns a number that nobody can foresee. The standard library has no other source of them than its hash keys.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// Returns a number from 0 to below 1.
fn chance() -> f64 {
    (random() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNG: SystemTime = SystemTime::UNIX_EPOCH;

    #[tokio::test(start_paused = true)]
    async fn seconds_are_counted_by_the_servers_clock() {
        let clock = ServerClock::default();
        assert_eq!(clock.until(RUNG), None);
        clock.told(RUNG);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(clock.until(RUNG + Duration::from_secs(30)), Some(Duration::from_secs(20)));
        assert_eq!(clock.until(RUNG + Duration::from_secs(5)), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_guess_counts_until_something_better_is_known() {
        let clock = ServerClock::default();
        clock.guess(RUNG);
        clock.guess(RUNG + Duration::from_secs(9));
        assert_eq!(clock.until(RUNG + Duration::from_secs(30)), Some(Duration::from_secs(30)));
        clock.is_past(RUNG + Duration::from_secs(5));
        assert_eq!(clock.until(RUNG + Duration::from_secs(30)), Some(Duration::from_secs(25)));
        clock.told(RUNG + Duration::from_secs(1));
        assert_eq!(clock.until(RUNG + Duration::from_secs(30)), Some(Duration::from_secs(29)));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_nobody_comes_sooner_than_asked() {
        let asked = Duration::from_secs(3);
        assert_eq!(RETRYING.delay_by(0.0, 9, Some(asked)), asked);
        assert_eq!(RETRYING.delay_by(0.5, 0, None), Duration::from_millis(50));
        assert_eq!(RETRYING.delay_by(0.5, 1, None), Duration::from_millis(100));
        assert_eq!(RETRYING.delay_by(0.5, 60, Some(asked)), asked + Duration::from_secs(1));
    }

    #[test]
    fn jitter_is_full() {
        let delays: Vec<Duration> = (0..200).map(|_| RETRYING.delay(9, None)).collect();
        assert!(delays.iter().any(|one| *one < Duration::from_millis(400)));
        assert!(delays.iter().any(|one| *one > Duration::from_millis(1600)));
        assert!(delays.iter().all(|one| *one < Duration::from_secs(2)));
    }
}
