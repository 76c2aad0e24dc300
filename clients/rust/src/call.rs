//! A call as it was last told, and what can be done with it.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use prost_types::Timestamp;

use crate::client::Shared;
use crate::connection::{Identified, Stub};
use crate::options::{Answer, Get, GetOrCreate, Join, Leave, RingMembers, Update, UpdateMembers};
use crate::v1::{self, CallDirection, CallState, CallingState, ErrorReason, RingState, RingTargetState, SkipReason};
use crate::{Error, Open};

/// A call as it was last told, and what can be done with it. Clones are the same call.
///
/// What it shows changes only by its own verbs; a watch hands out a new one for every change. So
/// [`join`](Call::join), [`reject`](Call::reject) and [`cancel`](Call::cancel) mean the ring that this one shows, and a
/// late tap never answers or stops another. Every verb fails with an [`Error`] if the server refuses.
#[derive(Clone)]
pub struct Call {
    shared: Arc<Shared>,
    call_type: String,
    id: String,
    told: Arc<Mutex<Told>>,
}

/// What the server told of a call.
#[derive(Clone, Debug, Default)]
struct Told {
    call: Arc<v1::Call>,
    viewer: Option<Arc<v1::ViewerState>>,
}

impl Call {
    /// Returns a call of which nothing is known.
    pub(crate) fn unknown(shared: Arc<Shared>, call_type: String, id: String) -> Self {
        Self { shared, call_type, id, told: Arc::default() }
    }

    /// Returns a call that shows what was told of it.
    pub(crate) fn shown(shared: Arc<Shared>, call: Option<v1::Call>, viewer: Option<v1::ViewerState>) -> Self {
        let told = Told { call: Arc::new(call.unwrap_or_default()), viewer: viewer.map(Arc::new) };
        let (call_type, id) = (told.call.r#type.clone(), told.call.id.clone());
        Self { shared, call_type, id, told: Arc::new(Mutex::new(told)) }
    }

    fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }

    // What it is.

    /// Returns the call type.
    pub fn call_type(&self) -> &str {
        &self.call_type
    }

    /// Returns the id within the type.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns `type:id`.
    pub fn cid(&self) -> String {
        format!("{}:{}", self.call_type, self.id)
    }

    /// Returns the whole call, the same for everybody who may read it.
    pub fn message(&self) -> Arc<v1::Call> {
        self.told().call
    }

    /// Returns what the call means to the user. None if nothing was told.
    pub fn viewer(&self) -> Option<Arc<v1::ViewerState>> {
        self.told().viewer
    }

    /// Returns the call's uid, made by the server and new whenever the id is created anew. Empty until it is told.
    pub fn uid(&self) -> String {
        self.message().uid.clone()
    }

    /// Counts the changes of the call. 0 until it is told.
    pub fn revision(&self) -> i32 {
        self.message().revision
    }

    /// Returns the state of the call.
    pub fn state(&self) -> Open<CallState> {
        Open::new(self.message().state)
    }

    /// Says whether the user is being rung or waits, is in, or has left.
    pub fn calling_state(&self) -> Open<CallingState> {
        Open::new(self.viewer().map_or(0, |viewer| viewer.calling_state))
    }

    /// Says whether the user is called or calls.
    pub fn direction(&self) -> Open<CallDirection> {
        Open::new(self.viewer().map_or(0, |viewer| viewer.direction))
    }

    /// Says whether the user created the call.
    pub fn created_by_me(&self) -> bool {
        self.viewer().is_some_and(|viewer| viewer.created_by_me)
    }

    /// Returns the ring that concerns the user. Empty for none.
    pub fn ring_id(&self) -> String {
        self.viewer().map_or_else(String::new, |viewer| viewer.ring_id.clone())
    }

    /// Returns who started that ring: the caller to show. Empty for none.
    pub fn ringer_id(&self) -> String {
        self.viewer().map_or_else(String::new, |viewer| viewer.ringer_id.clone())
    }

    /// Returns how long the user still rings or waits, by the server's clock; None if nothing rings or the server's clock
    /// is not known yet. It counts down by itself, to be shown; when it is over the server says so.
    pub fn time_left(&self) -> Option<Duration> {
        self.shared.clock.until(time(self.viewer()?.ring_expires_at.as_ref())?)
    }

    // What can be done.

    /// Creates the call, or gets it if it exists; with `ring` it rings, with `notify` it notifies, in the same step. To
    /// ring, list the user among the members. On a call that exists the other options change nothing, and the members are
    /// those to ring.
    pub async fn get_or_create(&self, options: GetOrCreate) -> Result<v1::GetOrCreateCallResponse, Error> {
        let request =
            v1::GetOrCreateCallRequest { r#type: self.call_type.clone(), id: self.id.clone(), ..options.into() };
        self.ask(request, |mut stub, request| async move { stub.get_or_create_call(request).await }).await
    }

    /// Gets the call as it is now; with `ring` it rings all members, with `notify` it notifies them.
    pub async fn get(&self, options: Get) -> Result<v1::GetCallResponse, Error> {
        let request = v1::GetCallRequest { r#type: self.call_type.clone(), id: self.id.clone(), ..options.into() };
        self.ask(request, |mut stub, request| async move { stub.get_call(request).await }).await
    }

    /// Rings members of a call that exists, into a running one too.
    pub async fn ring(&self, options: RingMembers) -> Result<v1::RingCallResponse, Error> {
        let request = v1::RingCallRequest { r#type: self.call_type.clone(), id: self.id.clone(), ..options.into() };
        self.ask(request, |mut stub, request| async move { stub.ring_call(request).await }).await
    }

    /// Comes in; while the call rings the user, that is the answer.
    ///
    /// It answers the ring that this call shows; if it shows none that rings, it asks the server first. It fails with
    /// `RING_OVER` if that ring is over meanwhile, with `JOINED_ELSEWHERE` if the user is in on another device, where
    /// `mode` says what to do then, and with `CALL_ENDED`.
    pub async fn join(&self, options: Join) -> Result<v1::JoinCallResponse, Error> {
        let ring_id = match options.ring_id {
            Some(id) => id,
            None => {
                self.know().await?;
                // A ring that is over is not what is meant by joining now.
                self.ringing().unwrap_or_default()
            }
        };
        let request = v1::JoinCallRequest {
            r#type: self.call_type.clone(),
            id: self.id.clone(),
            mode: options.mode.into(),
            ring_id,
            ..v1::JoinCallRequest::default()
        };
        self.ask(request, |mut stub, request| async move { stub.join_call(request).await }).await
    }

    /// Refuses the ring that this call shows, on all devices of the user; if it shows none that rings, it asks the server
    /// first. Nothing changes if that ring is over already; after the user's own answer it fails with `ALREADY_ACCEPTED`.
    pub async fn reject(&self, options: Answer) -> Result<(), Error> {
        let ring_id = match options.ring_id {
            Some(id) => id,
            None => {
                self.know().await?;
                self.ring_id()
            }
        };
        self.reject_ring(ring_id, options.reason).await
    }

    /// Takes back the user's own unanswered rings that this call shows; if it shows none that rings, it asks the server
    /// first. Nothing changes if they are over already; once one is answered it fails with `ALREADY_ACCEPTED`, and
    /// [`leave`](Call::leave) hangs up.
    pub async fn cancel(&self, options: Answer) -> Result<(), Error> {
        let mut rings: Vec<String> = options.ring_id.into_iter().collect();
        if rings.is_empty() {
            self.know().await?;
            rings = self.unanswered();
        }
        if rings.is_empty() {
            rings = vec![self.ring_id()]; // of which the server tells what became
        }
        self.cancel_rings(rings, options.reason).await
    }

    /// Leaves the call. With `reject` it does what is meant by where the user stands now, which it asks the server: who is
    /// being rung refuses, whose own ring is unanswered takes it back, who is in leaves; and if the ring that this call
    /// shows is over, nothing happens.
    pub async fn leave(&self, options: Leave) -> Result<(), Error> {
        if !options.reject {
            return self.hang_up(options.reason).await;
        }
        let shown = self.ringing();
        self.get(Get::default()).await?;
        let own = self.unanswered();
        if self.calling_state() == CallingState::Joined {
            return self.hang_up(options.reason).await;
        }
        if shown.is_some_and(|shown| shown != self.ring_id()) {
            return Ok(());
        }
        if self.viewer().is_some_and(|viewer| viewer.target_state == i32::from(RingTargetState::Ringing)) {
            return self.reject_ring(self.ring_id(), options.reason).await;
        }
        match self.cancel_rings(own, options.reason.clone()).await {
            // Somebody answered meanwhile, which brought the user in: now it is hanging up that is meant.
            Err(failed) if failed.is(ErrorReason::AlreadyAccepted) => self.hang_up(options.reason).await,
            done => done,
        }
    }

    /// Ends the call for everyone, and for good. `reason` may be empty.
    pub async fn end(&self, reason: impl Into<String>) -> Result<(), Error> {
        let request = v1::EndCallRequest {
            r#type: self.call_type.clone(),
            id: self.id.clone(),
            reason: reason.into(),
            ..v1::EndCallRequest::default()
        };
        self.ask(request, |mut stub, request| async move { stub.end_call(request).await }).await.map(drop)
    }

    /// Changes custom data, settings and the start.
    pub async fn update(&self, options: Update) -> Result<(), Error> {
        let request = v1::UpdateCallRequest { r#type: self.call_type.clone(), id: self.id.clone(), ..options.into() };
        self.ask(request, |mut stub, request| async move { stub.update_call(request).await }).await.map(drop)
    }

    /// Adds, changes and removes members in one step; with `ring` it rings those added or changed.
    pub async fn update_members(&self, options: UpdateMembers) -> Result<v1::UpdateCallMembersResponse, Error> {
        let request =
            v1::UpdateCallMembersRequest { r#type: self.call_type.clone(), id: self.id.clone(), ..options.into() };
        self.ask(request, |mut stub, request| async move { stub.update_call_members(request).await }).await
    }

    /// Asks what rings, unless a ring is shown, which is then what was seen and is meant.
    async fn know(&self) -> Result<(), Error> {
        if self.ringing().is_none() {
            self.get(Get::default()).await?;
        }
        Ok(())
    }

    /// Returns the ring that is shown, if it rings the user or waits for an answer.
    fn ringing(&self) -> Option<String> {
        (self.calling_state() == CallingState::Ringing).then(|| self.ring_id()).filter(|id| !id.is_empty())
    }

    /// Returns the user's own unanswered rings.
    fn unanswered(&self) -> Vec<String> {
        let Told { call, viewer: Some(viewer) } = self.told() else {
            return Vec::new();
        };
        let ringing = i32::from(RingState::Ringing);
        let own = call.rings.iter().filter(|ring| ring.ringer_id == viewer.user_id && ring.state == ringing);
        own.map(|ring| ring.id.clone()).collect()
    }

    async fn reject_ring(&self, ring_id: String, reason: String) -> Result<(), Error> {
        let request = v1::RejectCallRequest {
            r#type: self.call_type.clone(),
            id: self.id.clone(),
            ring_id,
            reason,
            ..v1::RejectCallRequest::default()
        };
        self.ask(request, |mut stub, request| async move { stub.reject_call(request).await }).await.map(drop)
    }

    async fn cancel_rings(&self, ring_ids: Vec<String>, reason: String) -> Result<(), Error> {
        for ring_id in ring_ids {
            let request = v1::CancelCallRequest {
                r#type: self.call_type.clone(),
                id: self.id.clone(),
                ring_id,
                reason: reason.clone(),
                ..v1::CancelCallRequest::default()
            };
            self.ask(request, |mut stub, request| async move { stub.cancel_call(request).await }).await?;
        }
        Ok(())
    }

    async fn hang_up(&self, reason: String) -> Result<(), Error> {
        let request = v1::LeaveCallRequest {
            r#type: self.call_type.clone(),
            id: self.id.clone(),
            reason,
            ..v1::LeaveCallRequest::default()
        };
        self.ask(request, |mut stub, request| async move { stub.leave_call(request).await }).await.map(drop)
    }

    /// Sends a request, and lets the call show the answer.
    async fn ask<Q, A, F>(&self, request: Q, rpc: impl Fn(Stub, tonic::Request<Q>) -> F) -> Result<A, Error>
    where
        Q: Clone + Identified,
        A: Tells,
        F: std::future::Future<Output = Result<tonic::Response<A>, tonic::Status>>,
    {
        let answer = self.shared.connection.ask(request, rpc).await?;
        self.take(&answer);
        Ok(answer)
    }

    /// Shows what an answer tells, unless something newer has been told already.
    fn take(&self, answer: &impl Tells) {
        let (call, viewer) = answer.told();
        let call = call.cloned().unwrap_or_default();
        if let Some(changed) = time(call.updated_at.as_ref()) {
            // Who began to ring with the call's last change did so just now; who rang before was skipped.
            let anew = i32::from(SkipReason::Unspecified);
            if answer.targets().iter().any(|one| one.skip_reason == anew && one.rung_at == call.updated_at) {
                self.shared.clock.guess(changed);
            }
            self.shared.clock.is_past(changed);
        }
        let mut told = self.told.lock().unwrap();
        if told.call.uid != call.uid || told.call.revision <= call.revision {
            *told = Told { call: Arc::new(call), viewer: viewer.cloned().map(Arc::new) };
        }
    }
}

/// Two handles are equal if they are of one call and show the same.
impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.told(), other.told());
        self.cid() == other.cid() && one.call == two.call && one.viewer == two.viewer
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, calling_state) = (self.state(), self.calling_state());
        write!(out, "{} ({state}, {calling_state}, revision {})", self.cid(), self.revision())
    }
}

fn time(at: Option<&Timestamp>) -> Option<SystemTime> {
    at.and_then(|at| SystemTime::try_from(*at).ok())
}

/// What the answer to every verb tells.
pub(crate) trait Tells {
    fn told(&self) -> (Option<&v1::Call>, Option<&v1::ViewerState>);

    fn targets(&self) -> &[v1::RingTarget] {
        &[]
    }
}

macro_rules! tells {
    ($($name:ident $($targets:ident)?),* $(,)?) => {$(
        impl Tells for v1::$name {
            fn told(&self) -> (Option<&v1::Call>, Option<&v1::ViewerState>) {
                (self.call.as_ref(), self.viewer.as_ref())
            }
            $(fn targets(&self) -> &[v1::RingTarget] {
                &self.$targets
            })?
        }
    )*};
}

tells! {
    GetOrCreateCallResponse targets, GetCallResponse targets, RingCallResponse targets,
    UpdateCallMembersResponse targets, UpdateCallResponse, JoinCallResponse, RejectCallResponse, CancelCallResponse,
    LeaveCallResponse, EndCallResponse,
}
