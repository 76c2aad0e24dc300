//! Enums of the contract, to which servers add values.

use std::{fmt, marker::PhantomData};

use crate::v1;

/// An enum of the contract.
pub trait Named: TryFrom<i32> + Into<i32> + Copy {
    /// What all its names begin with.
    const PREFIX: &'static str;

    /// Returns the contract's name, with its prefix.
    fn full_name(self) -> &'static str;
}

/// A value of an enum, as a server said it: one that a newer server sends may have no name here. The contract says of
/// each enum how to treat one that you do not know.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Open<E> {
    number: i32,
    names: PhantomData<E>,
}

impl<E: Named> Open<E> {
    pub(crate) fn new(number: i32) -> Self {
        Self { number, names: PhantomData }
    }

    /// Returns the number on the wire.
    pub fn number(self) -> i32 {
        self.number
    }

    /// Returns the value, None if it has no name here.
    pub fn known(self) -> Option<E> {
        E::try_from(self.number).ok()
    }
}

impl<E: Named> From<E> for Open<E> {
    fn from(known: E) -> Self {
        Self::new(known.into())
    }
}

/// The name without its prefix, such as `RINGING`, or `UNKNOWN(17)`.
impl<E: Named> fmt::Display for Open<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(known) => out.write_str(known.full_name().trim_start_matches(E::PREFIX)),
            None => write!(out, "UNKNOWN({})", self.number),
        }
    }
}

impl<E: Named> fmt::Debug for Open<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl<E: Named> PartialEq<E> for Open<E> {
    fn eq(&self, other: &E) -> bool {
        self.number == (*other).into()
    }
}

macro_rules! named {
    ($($name:ident $prefix:literal),* $(,)?) => {$(
        impl Named for v1::$name {
            const PREFIX: &'static str = $prefix;

            fn full_name(self) -> &'static str {
                self.as_str_name()
            }
        }
    )*};
}

named! {
    CallDirection "CALL_DIRECTION_",
    CallEventType "CALL_EVENT_TYPE_",
    CallState "CALL_STATE_",
    CallingState "CALLING_STATE_",
    Capability "CAPABILITY_",
    ChangeKind "CHANGE_KIND_",
    EndReason "END_REASON_",
    ErrorReason "ERROR_REASON_",
    JoinMode "JOIN_MODE_",
    ResetReason "RESET_REASON_",
    RingTargetState "RING_TARGET_STATE_",
    StopReason "STOP_REASON_",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_name_without_prefix() {
        assert_eq!(Open::<v1::CallState>::new(2).to_string(), "RINGING");
        assert!(Open::<v1::CallState>::new(2) == v1::CallState::Ringing);
    }

    #[test]
    fn a_value_of_a_newer_server_is_told_by_its_number() {
        let newer = Open::<v1::CallState>::new(17);
        assert_eq!(newer.to_string(), "UNKNOWN(17)");
        assert_eq!(newer.known(), None);
        assert_eq!(newer.number(), 17);
    }
}
