//! A watch that lives for ever: it resumes after whatever happened to its stream.

use std::{
    fmt,
    future::{poll_fn, Future},
    pin::Pin,
    sync::Arc,
    task::{ready, Context, Poll},
    time::{Duration, SystemTime},
};

use futures_core::Stream;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tonic::{Code, Status, Streaming};

use crate::call::Call;
use crate::client::Shared;
use crate::clock::RECONNECTING;
use crate::connection::Stub;
use crate::latest::{latest, Putter, Taker};
use crate::options::WatchOptions;
use crate::picture::{Picture, Revisions};
use crate::v1::{self, watch_calls_response, CallEventType, ChangeKind, ErrorReason, ResetReason, StopReason};
use crate::{Error, Open};

/// How many heartbeat intervals without a message mean that a connection is dead.
const SILENCE: f64 = 2.5;

/// How many events wait for a reader before the server has to.
const UNREAD: usize = 64;

/// What a watch tells. Others will be added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// How a call stands now.
    Change(Change),
    /// Somebody notified the user of a call, without ringing. It is not told again after a reconnect.
    Notification(Notification),
    /// All there was has been told.
    SnapshotComplete {
        /// What was not told is as it was.
        resumed: bool,
    },
    /// Forget all calls: they are told anew.
    Reset {
        /// There to be logged; unspecified if the watch began anew by itself.
        reason: Open<ResetReason>,
    },
}

/// How a call stands now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Change {
    /// What to do with the call on the screen. Treat one that has no name here as UPDATED.
    pub kind: Open<ChangeKind>,
    /// The call, with all that it shows. Of one that the user may not read any more it shows hardly anything.
    pub call: Call,
    /// What happened.
    pub cause: Open<CallEventType>,
    /// With REMOVED, what became of the ring or the call for the user.
    pub stop_reason: Open<StopReason>,
    /// Who did it. Empty if the server did.
    pub actor_user_id: String,
    /// The free text that was given.
    pub reason: String,
}

/// Tells of a call without ringing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Notification {
    /// The call.
    pub call: Call,
    /// Who notified.
    pub actor_user_id: String,
    /// Whether it is about a video call.
    pub video: bool,
    /// When it was sent.
    pub time: Option<SystemTime>,
}

/// The task that follows a watch; it ends with what cannot heal, if that ended it.
struct Following(Option<JoinHandle<Option<Error>>>);

impl Following {
    fn poll_end<T>(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        let Some(task) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let ended = ready!(Pin::new(task).poll(context));
        self.0 = None;
        Poll::Ready(ended.unwrap_or_else(|panic| Some(Error::new(Code::Internal, panic.to_string()))).map(Err))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// The present lists of calls, as [`Client::watch_calls`](crate::Client::watch_calls) says. A [`Stream`]; dropping it
/// ends the watch.
pub struct CallLists {
    lists: Taker<Vec<Call>>,
    following: Following,
}

impl CallLists {
    pub(crate) fn new(shared: Arc<Shared>, options: WatchOptions) -> Self {
        let (putter, lists) = latest();
        let reader = Reader::OfLists(Picture::default(), putter);
        let following = tokio::spawn(follow(shared, options, reader));
        Self { lists, following: Following(Some(following)) }
    }

    /// Returns the next list. None if the watch has ended.
    pub async fn next(&mut self) -> Option<Result<Vec<Call>, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for CallLists {
    type Item = Result<Vec<Call>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.lists.poll(context)) {
            Some(calls) => Poll::Ready(Some(Ok(calls))),
            None => self.following.poll_end(context),
        }
    }
}

impl fmt::Debug for CallLists {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CallLists")
    }
}

/// What happens to the calls, as [`Client::watch`](crate::Client::watch) says. A [`Stream`]; dropping it ends the watch.
pub struct Events {
    events: mpsc::Receiver<Event>,
    following: Following,
}

impl Events {
    pub(crate) fn new(shared: Arc<Shared>, options: WatchOptions) -> Self {
        let (sender, events) = mpsc::channel(UNREAD);
        let following = tokio::spawn(follow(shared, options, Reader::OfEvents(sender)));
        Self { events, following: Following(Some(following)) }
    }

    /// Returns the next event. None if the watch has ended.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Events {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match ready!(self.events.poll_recv(context)) {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None => self.following.poll_end(context),
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Events")
    }
}

/// Who is told what a watch brings.
enum Reader {
    OfLists(Picture, Putter<Vec<Call>>),
    OfEvents(mpsc::Sender<Event>),
}

impl Reader {
    async fn tell(&mut self, event: Event) {
        match self {
            Self::OfLists(picture, putter) => {
                if let Some(calls) = picture.apply(event) {
                    putter.put(calls);
                }
            }
            Self::OfEvents(sender) => {
                let _ = sender.send(event).await; // if nobody is there any more, this task is about to be aborted
            }
        }
    }
}

/// Follows a watch until the client is closed, or it fails with what cannot heal.
async fn follow(shared: Arc<Shared>, options: WatchOptions, reader: Reader) -> Option<Error> {
    let patience = options.interval().mul_f64(SILENCE);
    let mut follower = Follower {
        shared: shared.clone(),
        request: options.into(),
        patience,
        reader,
        seen: Revisions::default(),
        told: false,
        settled: false,
    };
    tokio::select! {
        biased;
        () = shared.connection.closed() => None,
        failed = follower.run() => Some(failed),
    }
}

/// How a stream ended, other than by what the server says.
enum End {
    /// It ended in good order, or nothing was heard for too long.
    Over,
    /// It failed, and was opened with this token.
    Failed(Error, String),
}

/// One watch, over all its streams.
struct Follower {
    shared: Arc<Shared>,
    request: v1::WatchCallsRequest,
    patience: Duration,
    reader: Reader,
    seen: Revisions,
    /// Whether something was told that is to be forgotten when it is told anew.
    told: bool,
    /// Whether the present stream has told all there was.
    settled: bool,
}

impl Follower {
    /// Goes on until it fails with what cannot heal.
    async fn run(&mut self) -> Error {
        let mut attempt = 0;
        loop {
            self.settled = false;
            let mut retry_after = None;
            if let End::Failed(failed, token) = self.stream().await {
                if !self.heals(&failed, &token).await {
                    return failed;
                }
                retry_after = failed.retry_after;
            }
            attempt = if self.settled { 0 } else { attempt };
            tokio::time::sleep(RECONNECTING.delay(attempt, retry_after)).await;
            attempt += 1;
        }
    }

    /// Says whether trying again may help after an error of a stream that was opened with this token.
    async fn heals(&self, failed: &Error, token: &str) -> bool {
        match failed.code {
            Code::InvalidArgument | Code::PermissionDenied | Code::Unimplemented => false,
            // An app that renews its tokens has another one by now.
            Code::Unauthenticated => match self.shared.connection.present_token().await {
                Ok(None) => false,
                Ok(Some(renewed)) => renewed != token,
                Err(_) => true,
            },
            _ => !failed.is(ErrorReason::WatchReplaced),
        }
    }

    /// Follows one stream to its end.
    async fn stream(&mut self) -> End {
        let mut token = String::new();
        let (stub, channel) = match self.shared.connection.stub() {
            Ok(present) => present,
            Err(closed) => return End::Failed(closed, token),
        };
        // Not only the answer may be missing: the token's issuer may be silent, or a connection that does not come about.
        let mut messages = match timeout(self.patience, self.open(stub, &mut token)).await {
            Ok(Ok(messages)) => messages,
            Ok(Err(failed)) => return End::Failed(failed, token),
            Err(_) => {
                self.shared.connection.renew(channel);
                return End::Over;
            }
        };
        let mut fresh = self.request.resume_token.is_empty();
        loop {
            let message = match timeout(self.patience, messages.message()).await {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => return End::Over,
                Ok(Err(status)) => return End::Failed(status.into(), token),
                Err(_) => {
                    self.shared.connection.renew(channel);
                    return End::Over;
                }
            };
            if fresh {
                fresh = false;
                self.forget(Open::new(0)).await;
            }
            self.apply(message).await;
        }
    }

    async fn open(&self, mut stub: Stub, token: &mut String) -> Result<Streaming<v1::WatchCallsResponse>, Error> {
        let (request, used) = self.shared.connection.outgoing(self.request.clone()).await?;
        *token = used;
        let answer: Result<_, Status> = stub.watch_calls(request).await;
        Ok(answer?.into_inner())
    }

    /// Takes a message. What a newer server says beside is passed over; going_away too, since the end follows.
    async fn apply(&mut self, message: v1::WatchCallsResponse) {
        if let Some(now) = message.server_time.and_then(|now| SystemTime::try_from(now).ok()) {
            self.shared.clock.told(now);
        }
        if !message.resume_token.is_empty() {
            self.request.resume_token = message.resume_token.clone();
        }
        match message.event {
            Some(watch_calls_response::Event::Change(change)) => self.change(change).await,
            Some(watch_calls_response::Event::Notification(told)) => {
                let notification = Notification {
                    call: Call::shown(self.shared.clone(), told.call, told.viewer),
                    actor_user_id: told.actor_user_id,
                    video: told.video,
                    time: told.time.and_then(|time| SystemTime::try_from(time).ok()),
                };
                self.reader.tell(Event::Notification(notification)).await;
            }
            Some(watch_calls_response::Event::SnapshotComplete(complete)) => {
                (self.settled, self.told) = (true, true);
                self.reader.tell(Event::SnapshotComplete { resumed: complete.resumed }).await;
            }
            Some(watch_calls_response::Event::Reset(reset)) => {
                self.request.resume_token = message.resume_token;
                self.forget(Open::new(reset.reason)).await;
            }
            _ => {}
        }
    }

    async fn change(&mut self, change: v1::CallChange) {
        if !self.seen.is_news(change.call.as_ref().unwrap_or(&v1::Call::default())) {
            return;
        }
        self.told = true;
        let change = Change {
            kind: Open::new(change.kind),
            call: Call::shown(self.shared.clone(), change.call, change.viewer),
            cause: Open::new(change.cause),
            stop_reason: Open::new(change.stop_reason),
            actor_user_id: change.actor_user_id,
            reason: change.reason,
        };
        self.reader.tell(Event::Change(change)).await;
    }

    /// Begins anew. A server that was restored from a backup counts the same revisions again.
    async fn forget(&mut self, reason: Open<ResetReason>) {
        self.seen = Revisions::default();
        if self.told {
            self.told = false;
            self.reader.tell(Event::Reset { reason }).await;
        }
    }
}
