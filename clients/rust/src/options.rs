//! The options of the verbs: all have defaults, so that only what is meant has to be named.

use std::time::{Duration, SystemTime};

use prost_types::{FieldMask, Struct};

use crate::v1::{self, CallDirection, CallState, CallingState, JoinMode};

/// A user to be listed on a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    /// The user.
    pub user_id: String,
    /// `call_member` or `host`. Empty: `call_member`, or as it is.
    pub role: String,
    /// The application's own data about the member. None: none, or as it is.
    pub custom: Option<Struct>,
}

impl From<&str> for Member {
    fn from(user_id: &str) -> Self {
        Self { user_id: user_id.into(), ..Self::default() }
    }
}

impl From<String> for Member {
    fn from(user_id: String) -> Self {
        Self { user_id, ..Self::default() }
    }
}

impl From<Member> for v1::MemberInput {
    fn from(member: Member) -> Self {
        Self { user_id: member.user_id, role: member.role, custom: member.custom }
    }
}

/// Returns members by their user ids.
pub fn members<M: Into<Member>>(users: impl IntoIterator<Item = M>) -> Vec<Member> {
    users.into_iter().map(Into::into).collect()
}

/// Options of [`Call::get_or_create`](crate::Call::get_or_create).
#[derive(Clone, Debug, Default)]
pub struct GetOrCreate {
    /// Rings the members, in the same step. The user must be listed among them.
    pub ring: bool,
    /// Tells every other member, without ringing.
    pub notify: bool,
    /// Whether the ring or the notification is about a video call. It decides only what clients show.
    pub video: bool,
    /// On a new call its members; on one that exists those to ring.
    pub members: Vec<Member>,
    /// The application's own data.
    pub custom: Option<Struct>,
    /// Overrides the settings of the call's type, field by field.
    pub settings: Option<v1::CallSettings>,
    /// When the call is meant to start. It delays nothing.
    pub starts_at: Option<SystemTime>,
    /// The tenant the call belongs to.
    pub team: String,
}

/// Options of [`Call::get`](crate::Call::get).
#[derive(Clone, Copy, Debug, Default)]
pub struct Get {
    /// Rings all members.
    pub ring: bool,
    /// Tells every other member, without ringing.
    pub notify: bool,
    /// Whether that is about a video call.
    pub video: bool,
}

/// Options of [`Call::ring`](crate::Call::ring).
#[derive(Clone, Debug, Default)]
pub struct RingMembers {
    /// The members to ring. Empty: all.
    pub user_ids: Vec<String>,
    /// Whether it is about a video call.
    pub video: bool,
}

/// Options of [`Call::join`](crate::Call::join).
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// What to do if the user is in on another device.
    pub mode: JoinMode,
    /// This ring, and not the one that the call shows: of a push message, for example.
    pub ring_id: Option<String>,
}

/// Options of [`Call::reject`](crate::Call::reject) and [`Call::cancel`](crate::Call::cancel).
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Says why. For a reject `busy` and `timeout` have a meaning, and the default is `decline`; for a cancel it is
    /// `cancel`.
    pub reason: String,
    /// This ring, and not the one that the call shows.
    pub ring_id: Option<String>,
}

/// Options of [`Call::leave`](crate::Call::leave).
#[derive(Clone, Debug, Default)]
pub struct Leave {
    /// Refuses the call if it rings the user, and takes it back if the user's ring is unanswered.
    pub reject: bool,
    /// Says why.
    pub reason: String,
}

/// Options of [`Call::update`](crate::Call::update).
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Replaces the application's own data as a whole.
    pub custom: Option<Struct>,
    /// Overrides settings, field by field.
    pub settings: Option<v1::CallSettings>,
    /// When the call is meant to start.
    pub starts_at: Option<SystemTime>,
    /// What to change: `custom`, `settings`, a path below it, `starts_at`. What is named and not given is cleared.
    /// Empty: whatever is given.
    pub mask: Vec<String>,
    /// Makes the change only if the call still has this revision, else it fails with `REVISION_MISMATCH`.
    pub expected_revision: Option<i32>,
}

/// Options of [`Call::update_members`](crate::Call::update_members).
#[derive(Clone, Debug, Default)]
pub struct UpdateMembers {
    /// Those to add or to change.
    pub upsert: Vec<Member>,
    /// Those to remove.
    pub remove: Vec<String>,
    /// Rings those added or changed, in the same step.
    pub ring: bool,
    /// Whether that is about a video call.
    pub video: bool,
}

/// Which calls to watch: by default those that ring, incoming and outgoing. Options of different kinds all must match,
/// the values of one are alternatives.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// The calls with one of these directions for the user.
    pub directions: Vec<CallDirection>,
    /// The calls in which the user is in one of these states. Empty: ringing.
    pub calling_states: Vec<CallingState>,
    /// The calls in one of these states. Only for a service that names no user.
    pub call_states: Vec<CallState>,
    /// The calls of these call types.
    pub types: Vec<String>,
    /// These calls, as `type:id`, in any state unless `calling_states` are given.
    pub cids: Vec<String>,
    /// How often the server says that it is there, 5 s to 60 s: below the idle timeout of whatever proxy is between.
    /// After 2.5 intervals of silence the watch connects anew. Default: 15 s.
    pub heartbeat_interval: Option<Duration>,
}

const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);

impl WatchOptions {
    pub(crate) fn interval(&self) -> Duration {
        self.heartbeat_interval.unwrap_or(DEFAULT_HEARTBEAT)
    }
}

impl From<WatchOptions> for v1::WatchCallsRequest {
    fn from(options: WatchOptions) -> Self {
        Self {
            heartbeat_interval: prost_types::Duration::try_from(options.interval()).ok(),
            directions: options.directions.into_iter().map(Into::into).collect(),
            calling_states: options.calling_states.into_iter().map(Into::into).collect(),
            call_states: options.call_states.into_iter().map(Into::into).collect(),
            types: options.types,
            cids: options.cids,
            ..Self::default()
        }
    }
}

impl From<GetOrCreate> for v1::GetOrCreateCallRequest {
    fn from(options: GetOrCreate) -> Self {
        Self {
            ring: options.ring,
            notify: options.notify,
            video: options.video,
            data: Some(v1::CallData {
                members: options.members.into_iter().map(Into::into).collect(),
                custom: options.custom,
                settings: options.settings,
                starts_at: options.starts_at.map(Into::into),
                team: options.team,
                ..v1::CallData::default()
            }),
            ..Self::default()
        }
    }
}

impl From<Get> for v1::GetCallRequest {
    fn from(options: Get) -> Self {
        Self { ring: options.ring, notify: options.notify, video: options.video, ..Self::default() }
    }
}

impl From<RingMembers> for v1::RingCallRequest {
    fn from(options: RingMembers) -> Self {
        Self { user_ids: options.user_ids, video: options.video, ..Self::default() }
    }
}

impl From<Update> for v1::UpdateCallRequest {
    fn from(options: Update) -> Self {
        Self {
            custom: options.custom,
            settings: options.settings,
            starts_at: options.starts_at.map(Into::into),
            update_mask: (!options.mask.is_empty()).then_some(FieldMask { paths: options.mask }),
            expected_revision: options.expected_revision.unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl From<UpdateMembers> for v1::UpdateCallMembersRequest {
    fn from(options: UpdateMembers) -> Self {
        Self {
            upsert_members: options.upsert.into_iter().map(Into::into).collect(),
            remove_user_ids: options.remove,
            ring: options.ring,
            video: options.video,
            ..Self::default()
        }
    }
}
