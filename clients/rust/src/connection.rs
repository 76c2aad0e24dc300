//! The connection of a client: it says who one is with every RPC, and repeats requests until they are answered.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{sleep, timeout_at, Instant},
};
use tonic::{
    metadata::{AsciiMetadataValue, BinaryMetadataValue, MetadataKey, MetadataMap},
    transport::{Channel, Endpoint},
    Code, Request, Response, Status,
};

use crate::clock::{random, RETRYING};
use crate::v1::{self, call_service_client::CallServiceClient};
use crate::Error;

/// Bounds what is received: a call is at most 1 MiB, a page of calls 2 MiB and a little more.
const MAX_MESSAGE: usize = 8 << 20;

/// How long one attempt of a request waits. An answer takes milliseconds: if nothing was heard for so long, the connection
/// may be dead, and repeating is safe.
const ATTEMPT: Duration = Duration::from_secs(5);

const UNANSWERED: &str = "There was no answer in time. What was asked for may have happened: look, or repeat it.";

pub(crate) type Stub = CallServiceClient<Channel>;
pub(crate) type TokenError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;
pub(crate) type TokenSource = Arc<dyn Fn() -> TokenFuture + Send + Sync>;

pub(crate) struct Connection {
    endpoint: Endpoint,
    identity: MetadataMap,
    token: Option<TokenSource>,
    timeout: Duration,
    /// The channel, and how often it was renewed. None once the client is closed.
    current: Mutex<Option<(Channel, u64)>>,
    closed: watch::Sender<bool>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Connection({})", self.endpoint.uri())
    }
}

impl Connection {
    pub(crate) fn new(
        endpoint: Endpoint,
        identity: MetadataMap,
        token: Option<TokenSource>,
        timeout: Duration,
    ) -> Self {
        let current = Mutex::new(Some((endpoint.connect_lazy(), 0)));
        Self { endpoint, identity, token, timeout, current, closed: watch::Sender::new(false) }
    }

    /// Returns the stub on the present channel, and the channel's number.
    pub(crate) fn stub(&self) -> Result<(Stub, u64), Error> {
        let (channel, number) = self.current.lock().unwrap().clone().ok_or_else(Error::closed)?;
        Ok((Stub::new(channel).max_decoding_message_size(MAX_MESSAGE), number))
    }

    /// Takes another channel from now on, if this one is the present one: it went silent, and a dead connection would be
    /// found again and again. What is under way on it may still end well.
    pub(crate) fn renew(&self, silent: u64) {
        let mut current = self.current.lock().unwrap();
        if current.as_ref().is_some_and(|(_, number)| *number == silent) {
            *current = Some((self.endpoint.connect_lazy(), silent + 1));
        }
    }

    /// Ends everything that is under way.
    pub(crate) fn close(&self) {
        *self.current.lock().unwrap() = None;
        self.closed.send_replace(true);
    }

    /// Returns once the client is closed.
    pub(crate) async fn closed(&self) {
        // It fails only if the sender is gone, which is part of this.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Returns the request with who one is, and the token that it used.
    pub(crate) async fn outgoing<Q>(&self, message: Q) -> Result<(Request<Q>, String), Error> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.identity.clone();
        let Some(token) = self.present_token().await? else {
            return Ok((request, String::new()));
        };
        let bearer = AsciiMetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Error::new(Code::Unauthenticated, "The token has letters that no token has."))?;
        request.metadata_mut().insert("authorization", bearer);
        Ok((request, token))
    }

    /// Returns the present token, None if the client has no source of tokens.
    pub(crate) async fn present_token(&self) -> Result<Option<String>, Error> {
        let Some(source) = &self.token else {
            return Ok(None);
        };
        let token = source().await;
        token.map(Some).map_err(|why| Error::new(Code::Unavailable, format!("There is no token: {why}")))
    }

    /// Sends a request and returns the answer. While the server is unavailable or silent it is repeated under its
    /// request_id, as long as the time allows.
    pub(crate) async fn ask<Q, A, F>(&self, mut message: Q, rpc: impl Fn(Stub, Request<Q>) -> F) -> Result<A, Error>
    where
        Q: Clone + Identified,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        message.identify();
        let deadline = Instant::now() + self.timeout;
        let asking = async {
            for attempt in 0.. {
                let failed = match self.once(message.clone(), deadline, &rpc).await {
                    Ok(answer) => return Ok(answer),
                    Err(failed) => failed,
                };
                let pause = RETRYING.delay(attempt, failed.retry_after);
                let heals = matches!(failed.code, Code::Unavailable | Code::DeadlineExceeded);
                if !heals || Instant::now() + pause >= deadline {
                    return Err(failed);
                }
                sleep(pause).await;
            }
            unreachable!("there is always another attempt")
        };
        tokio::select! {
            biased;
            () = self.closed() => Err(Error::closed()),
            asked = asking => asked,
        }
    }

    async fn once<Q, A, F>(
        &self,
        message: Q,
        deadline: Instant,
        rpc: impl Fn(Stub, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let silent = |_| Status::deadline_exceeded(UNANSWERED);
        // The token's issuer may be silent too, which says nothing of the connection.
        let (mut request, _) = timeout_at(deadline, self.outgoing(message)).await.map_err(silent)??;
        let (stub, channel) = self.stub()?;
        let until = deadline.min(Instant::now() + ATTEMPT);
        request.set_timeout(until.saturating_duration_since(Instant::now()));
        let answered = timeout_at(until, rpc(stub, request)).await.map_err(silent).and_then(|answered| answered);
        answered.map(Response::into_inner).map_err(|status| {
            let mut failed = Error::from(status);
            if failed.code == Code::DeadlineExceeded && failed.reason.is_none() {
                failed.message = UNANSWERED.into();
                self.renew(channel);
            }
            failed
        })
    }
}

/// Adds the metadata that say who one is: under -bin what gRPC's ASCII metadata cannot carry as it is.
pub(crate) fn identify(metadata: &mut MetadataMap, key: &'static str, value: &str) {
    let ascii = value.bytes().all(|letter| (b' '..=b'~').contains(&letter)) && value.trim() == value;
    match AsciiMetadataValue::try_from(value) {
        Ok(plain) if ascii => {
            metadata.insert(key, plain);
        }
        _ => {
            let key = MetadataKey::from_bytes(format!("{key}-bin").as_bytes()).expect("the keys are ours");
            metadata.insert_bin(key, BinaryMetadataValue::from_bytes(value.as_bytes()));
        }
    }
}

/// A request, which may have a request_id.
pub(crate) trait Identified {
    /// Gives it a random one, if it can have one and has none.
    fn identify(&mut self);
}

macro_rules! identified {
    ($($name:ident),* $(,)?) => {$(
        impl Identified for v1::$name {
            fn identify(&mut self) {
                if self.request_id.is_empty() {
                    self.request_id = format!("{:016x}{:016x}", random(), random());
                }
            }
        }
    )*};
}

identified! {
    GetOrCreateCallRequest, GetCallRequest, UpdateCallRequest, UpdateCallMembersRequest, RingCallRequest,
    JoinCallRequest, RejectCallRequest, CancelCallRequest, LeaveCallRequest, EndCallRequest,
}

macro_rules! reads {
    ($($name:ident),* $(,)?) => {$(
        impl Identified for v1::$name {
            fn identify(&mut self) {}
        }
    )*};
}

reads! { ListCallsRequest, ListCallEventsRequest, ListEventsRequest }
