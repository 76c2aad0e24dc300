//! A user on a device, connected to a server.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tonic::{
    metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap},
    transport::Endpoint,
    Code,
};

use crate::call::Call;
use crate::clock::ServerClock;
use crate::connection::{identify, Connection, Stub, TokenError, TokenSource};
use crate::options::WatchOptions;
use crate::v1;
use crate::watch::{CallLists, Events};
use crate::Error;

/// What the parts of a client share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) connection: Connection,
    pub(crate) clock: ServerClock,
}

/// A user on a device, connected to a server. Clones share the connection. [`close`](Client::close) it when it is done.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

impl Client {
    /// Begins to make a client of the server at this address, such as `http://127.0.0.1:50051`. An [`Endpoint`] does
    /// too, where TLS or connections have to be set up.
    pub fn builder<E>(endpoint: E) -> ClientBuilder
    where
        E: TryInto<Endpoint>,
        E::Error: fmt::Display,
    {
        ClientBuilder {
            endpoint: endpoint.try_into().map_err(|why| Error::new(Code::InvalidArgument, format!("endpoint: {why}"))),
            identity: MetadataMap::new(),
            token: None,
            timeout: Duration::from_secs(10),
            failed: None,
        }
    }

    /// Returns a call by its type and id; whether it exists is the server's business. It shows nothing until one of its
    /// verbs was answered.
    pub fn call(&self, call_type: impl Into<String>, id: impl Into<String>) -> Call {
        Call::unknown(self.shared.clone(), call_type.into(), id.into())
    }

    /// Returns the present list of calls, at once and at every change, newest first. Who is slow gets the latest list and
    /// not those between.
    ///
    /// It goes on through lost connections and restarts of the server, and ends when it is dropped or the client is
    /// closed. It yields an error, as its last, only if that cannot heal: the credentials or the options are refused, or
    /// newer watches of the same device took its place. To be called within a tokio runtime.
    pub fn watch_calls(&self, options: WatchOptions) -> CallLists {
        CallLists::new(self.shared.clone(), options)
    }

    /// Returns what happens to the calls, for what a list cannot show: why a call stopped ringing, and notifications. It
    /// goes on and ends as [`watch_calls`](Client::watch_calls) does. While the reader is slow, the server merges what it
    /// owes.
    pub fn watch(&self, options: WatchOptions) -> Events {
        Events::new(self.shared.clone(), options)
    }

    /// Lists calls, a page at a time.
    pub async fn list_calls(&self, request: v1::ListCallsRequest) -> Result<v1::ListCallsResponse, Error> {
        let ask = |mut stub: Stub, request| async move { stub.list_calls(request).await };
        self.shared.connection.ask(request, ask).await
    }

    /// Lists what happened to a call, a page at a time, oldest first.
    pub async fn list_call_events(
        &self,
        request: v1::ListCallEventsRequest,
    ) -> Result<v1::ListCallEventsResponse, Error> {
        let ask = |mut stub: Stub, request| async move { stub.list_call_events(request).await };
        self.shared.connection.ask(request, ask).await
    }

    /// Lists every call's events in order, for a service.
    pub async fn list_events(&self, request: v1::ListEventsRequest) -> Result<v1::ListEventsResponse, Error> {
        let ask = |mut stub: Stub, request| async move { stub.list_events(request).await };
        self.shared.connection.ask(request, ask).await
    }

    /// Ends everything that is under way: watches end, requests fail with `CANCELLED`.
    pub fn close(&self) {
        self.shared.connection.close();
    }
}

/// Makes a [`Client`].
pub struct ClientBuilder {
    endpoint: Result<Endpoint, Error>,
    identity: MetadataMap,
    token: Option<TokenSource>,
    timeout: Duration,
    failed: Option<Error>,
}

impl ClientBuilder {
    /// Names the user. A server in development mode believes it; with a service's token it is the user as whom the
    /// service acts.
    pub fn user(mut self, id: &str) -> Self {
        identify(&mut self.identity, "x-user-id", id);
        self
    }

    /// Names the device. Then "answered elsewhere" is told, and the right device is in the call.
    pub fn device(mut self, id: &str) -> Self {
        identify(&mut self.identity, "x-device-id", id);
        self
    }

    /// Gives the token of every RPC. It is asked each time, so that it can renew tokens: it should keep the one that is
    /// good. An error of its counts as `UNAVAILABLE`. The endpoint must be `https`.
    pub fn token<F>(mut self, source: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        self.token = Some(Arc::new(move || Box::pin(source())));
        self
    }

    /// Says how long a verb may take, repeats included. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Adds metadata to every RPC, such as `x-teams` in development mode.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        match (key.parse::<AsciiMetadataKey>(), AsciiMetadataValue::try_from(value)) {
            (Ok(key), Ok(value)) => {
                self.identity.append(key, value);
            }
            _ => {
                let why = format!("metadata {key:?}: only what gRPC's ASCII metadata can carry");
                self.failed = Some(Error::new(Code::InvalidArgument, why));
            }
        }
        self
    }

    /// Returns the client. It connects when it is first used. To be called within a tokio runtime. Fails if the endpoint
    /// or metadata cannot be used, or if a token would travel unencrypted.
    pub fn build(self) -> Result<Client, Error> {
        let agent = concat!("ringline-rust/", env!("CARGO_PKG_VERSION"));
        let endpoint = self.endpoint?.user_agent(agent).expect("the name is a header's value");
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if self.token.is_some() && endpoint.uri().scheme_str() != Some("https") {
            let why = "A token needs an https endpoint, or anybody on the way can read it.";
            return Err(Error::new(Code::InvalidArgument, why));
        }
        let connection = Connection::new(endpoint, self.identity, self.token, self.timeout);
        Ok(Client { shared: Arc::new(Shared { connection, clock: ServerClock::default() }) })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ClientBuilder({:?})", self.endpoint.as_ref().map(|endpoint| endpoint.uri().to_string()))
    }
}
