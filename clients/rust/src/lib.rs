//! Ring people, and be rung: the client of a Ringline server.
//!
//! The server owns every ring; this client shows what it is told, runs no timer and works nothing out.
//!
//! ```no_run
//! use ringline::{CallDirection, Client};
//!
//! # async fn answer() -> Result<(), ringline::Error> {
//! let client = Client::builder("http://127.0.0.1:50051").user("my friend").device("phone").build()?;
//! let mut lists = client.watch_calls(Default::default());
//! while let Some(calls) = lists.next().await {
//!     for call in calls? {
//!         if call.direction() == CallDirection::Incoming {
//!             call.join(Default::default()).await?;
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod call;
mod client;
mod clock;
mod connection;
mod error;
mod latest;
mod open_enum;
mod options;
mod picture;
mod watch;

/// The contract's own messages and stubs, as `proto/` makes them.
#[allow(missing_docs, rustdoc::all, clippy::all)]
#[rustfmt::skip]
pub mod v1 {
    include!("gen/ringline.v1.rs");
}

pub use call::Call;
pub use client::{Client, ClientBuilder};
pub use error::{Error, FieldViolation};
pub use open_enum::{Named, Open};
pub use options::{
    members, Answer, Get, GetOrCreate, Join, Leave, Member, RingMembers, Update, UpdateMembers, WatchOptions,
};
pub use v1::{
    CallDirection, CallEventType, CallState, CallingState, Capability, ChangeKind, EndReason, ErrorReason, JoinMode,
    ResetReason, RingTargetState, StopReason,
};
pub use watch::{CallLists, Change, Event, Events, Notification};

/// The libraries whose types this one's speak of, in the versions that fit.
pub use {prost_types, tonic};
