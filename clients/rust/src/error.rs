//! What an RPC failed with.

use std::{collections::BTreeMap, error, fmt, iter, time::Duration};

use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt;

use crate::open_enum::Named;
use crate::v1::ErrorReason;

const DOMAIN: &str = "ringline";

/// What an RPC failed with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Error {
    /// The canonical gRPC code.
    pub code: Code,
    /// Why: the name of a value of the contract's `ErrorReason` without its prefix, such as `RING_OVER`. None if it was
    /// not the server that refused: a lost connection, a deadline, a client that was closed.
    pub reason: Option<String>,
    /// Says what to do next.
    pub message: String,
    /// The parts of the reason that vary, such as `device_id` of `JOINED_ELSEWHERE`.
    pub metadata: BTreeMap<String, String>,
    /// The fields of the request that are out of bounds.
    pub fields: Vec<FieldViolation>,
    /// How long the server asks to wait before the next attempt.
    pub retry_after: Option<Duration>,
}

/// A field of a request that is out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldViolation {
    /// Its path in the request, such as `data.members[1].user_id`.
    pub field: String,
    /// What would be right.
    pub description: String,
}

impl Error {
    /// Returns whether this is why the server refused.
    pub fn is(&self, reason: ErrorReason) -> bool {
        self.reason.as_deref() == Some(reason.full_name().trim_start_matches(ErrorReason::PREFIX))
    }

    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: None,
            message: message.into(),
            metadata: BTreeMap::new(),
            fields: Vec::new(),
            retry_after: None,
        }
    }

    pub(crate) fn closed() -> Self {
        Self::new(Code::Cancelled, "The client is closed.")
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        // What has a source did not come from the server: the connection was lost, or there was none, or no time was left.
        let mut sources = iter::successors(error::Error::source(&status), |one| one.source());
        let code = match sources.next() {
            None => status.code(),
            Some(first) if first.is::<TimeoutExpired>() || sources.any(|one| one.is::<TimeoutExpired>()) => {
                Code::DeadlineExceeded
            }
            Some(_) => Code::Unavailable,
        };
        let mut failed = Self::new(code, status.message());
        if let Some(info) = status.get_details_error_info().filter(|info| info.domain == DOMAIN) {
            failed.reason = Some(info.reason);
            failed.metadata = info.metadata.into_iter().collect();
        }
        if let Some(bad) = status.get_details_bad_request() {
            failed.fields = bad
                .field_violations
                .into_iter()
                .map(|one| FieldViolation { field: one.field, description: one.description })
                .collect();
        }
        failed.retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
        failed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.code)?;
        if let Some(reason) = &self.reason {
            write!(out, " {reason}")?;
        }
        write!(out, ": {}", self.message)
    }
}

impl error::Error for Error {}
