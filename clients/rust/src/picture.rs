//! The calls to show, from what a watch tells.

use std::collections::HashMap;

use crate::call::Call;
use crate::v1::{self, ChangeKind};
use crate::watch::{Change, Event};

/// The calls to show. Once it was complete it stays so: while calls are told anew the old ones stand, so that nothing
/// flickers.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    /// Newest first.
    shown: Vec<Call>,
    /// What is told anew and is not complete yet.
    coming: Vec<Call>,
    complete: bool,
    anew: bool,
}

impl Picture {
    /// Takes an event, and returns the calls if there is something new to show.
    pub(crate) fn apply(&mut self, event: Event) -> Option<Vec<Call>> {
        match event {
            Event::Reset { .. } => {
                self.coming.clear();
                self.anew = true;
                None
            }
            Event::Change(change) if !self.complete || self.anew => {
                apply(&mut self.coming, change, false);
                None
            }
            Event::Change(change) => apply(&mut self.shown, change, true).then(|| self.shown.clone()),
            Event::SnapshotComplete { .. } if self.complete && !self.anew => None,
            Event::SnapshotComplete { .. } => {
                self.shown = std::mem::take(&mut self.coming);
                (self.complete, self.anew) = (true, false);
                Some(self.shown.clone())
            }
            Event::Notification(_) => None,
        }
    }
}

/// Makes a change, and returns whether there was one to make. Of a live list the newest comes first; a snapshot is told
/// in that order.
fn apply(calls: &mut Vec<Call>, change: Change, live: bool) -> bool {
    let at = calls.iter().position(|shown| shown.cid() == change.call.cid());
    match (at, change.kind == ChangeKind::Removed) {
        (None, true) => return false,
        (Some(at), true) => drop(calls.remove(at)),
        (Some(at), false) => calls[at] = change.call,
        (None, false) if live => calls.insert(0, change.call),
        (None, false) => calls.push(change.call),
    }
    true
}

/// The newest revisions seen, by uid. They are bounded: of a service's watch there may be any number, and what was not
/// seen for a long time does not come late.
#[derive(Debug, Default)]
pub(crate) struct Revisions {
    young: HashMap<String, i32>,
    old: HashMap<String, i32>,
}

const MAX_REVISIONS: usize = 5000;

impl Revisions {
    /// Says whether a call is not older than what was seen of it.
    pub(crate) fn is_news(&mut self, call: &v1::Call) -> bool {
        let seen = |from: &HashMap<String, i32>| from.get(&call.uid).copied().unwrap_or_default();
        if call.revision < seen(&self.young).max(seen(&self.old)) {
            return false;
        }
        if self.young.len() >= MAX_REVISIONS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(call.uid.clone(), call.revision);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(uid: &str, revision: i32) -> v1::Call {
        v1::Call { uid: uid.into(), revision, ..v1::Call::default() }
    }

    #[test]
    fn older_revisions_of_one_uid_are_no_news() {
        let mut revisions = Revisions::default();
        assert!(revisions.is_news(&told("a", 2)));
        assert!(revisions.is_news(&told("a", 2)));
        assert!(!revisions.is_news(&told("a", 1)));
        assert!(revisions.is_news(&told("b", 1)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_latest_stays() {
        let mut revisions = Revisions::default();
        for number in 0..3 * MAX_REVISIONS {
            assert!(revisions.is_news(&told(&number.to_string(), 2)));
        }
        assert!(revisions.young.len() + revisions.old.len() <= 2 * MAX_REVISIONS);
        assert!(!revisions.is_news(&told(&(3 * MAX_REVISIONS - 1).to_string(), 1)));
    }
}
