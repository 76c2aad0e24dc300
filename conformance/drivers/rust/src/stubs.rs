//! Clients of the generated stubs.

use std::{error::Error, future::Future, iter, time::Duration};

use base64::{engine::general_purpose::STANDARD, Engine};
use ringline::v1::{self, call_service_client::CallServiceClient, WatchCallsResponse};
use serde_json::{json, Value};
use tokio::sync::watch;
use tonic::{
    metadata::{AsciiMetadataKey, BinaryMetadataKey, BinaryMetadataValue, MetadataMap},
    transport::{Channel, Endpoint},
    Code, Request, Status, Streaming, TimeoutExpired,
};
use tonic_types::StatusExt;

use crate::json::{parsed, told, Failure};

/// The smallest window that HTTP/2 has unless asked. Fixed, so that who does not read holds the server back soon.
const WINDOW: u32 = 65_535;

/// A client: one channel, and the metadata of every RPC.
#[derive(Clone)]
pub struct Stubs {
    stub: CallServiceClient<Channel>,
    metadata: MetadataMap,
    closed: watch::Sender<bool>,
}

impl Stubs {
    pub fn new(address: &str, given: &Value) -> Result<Self, Failure> {
        let mut metadata = MetadataMap::new();
        for (key, value) in given.as_object().into_iter().flatten() {
            let value = value.as_str().ok_or("metadata are texts")?;
            if key.ends_with("-bin") {
                let value = BinaryMetadataValue::from_bytes(&STANDARD.decode(value)?);
                metadata.insert_bin(key.parse::<BinaryMetadataKey>().map_err(|_| "a bad key")?, value);
            } else {
                metadata.insert(key.parse::<AsciiMetadataKey>().map_err(|_| "a bad key")?, value.parse()?);
            }
        }
        let channel = Endpoint::try_from(format!("http://{address}"))?
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .connect_lazy();
        let stub = CallServiceClient::new(channel).max_decoding_message_size(usize::MAX);
        Ok(Self { stub, metadata, closed: watch::Sender::new(false) })
    }

    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    fn request<Q>(&self, message: Q) -> Request<Q> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        request
    }

    /// Calls a method by its name.
    pub async fn unary(&self, method: &str, fields: &Value, timeout: Option<f64>) -> Result<Value, Value> {
        let timeout = timeout.map(Duration::from_secs_f64);
        tokio::select! {
            () = until(self.closed.subscribe()) => Err(refusal(&Status::cancelled("the client is closed"))),
            answer = self.asked(method, fields, timeout) => answer,
        }
    }

    async fn asked(&self, method: &str, fields: &Value, timeout: Option<Duration>) -> Result<Value, Value> {
        let mut stub = self.stub.clone();
        macro_rules! rpcs {
            ($($name:literal $rpc:ident $request:ident $response:ident),* $(,)?) => {
                match method {
                    $($name => {
                        let message: v1::$request =
                            parsed(stringify!($request), fields, &[]).map_err(driver_failed)?;
                        let mut request = self.request(message);
                        if let Some(timeout) = timeout {
                            request.set_timeout(timeout);
                        }
                        let answer = stub.$rpc(request).await.map_err(|status| refusal(&status))?;
                        told(stringify!($response), answer.get_ref()).map_err(driver_failed)
                    })*
                    _ => Err(driver_failed(format!("there is no method {method:?}").into())),
                }
            };
        }
        rpcs! {
            "GetOrCreateCall" get_or_create_call GetOrCreateCallRequest GetOrCreateCallResponse,
            "GetCall" get_call GetCallRequest GetCallResponse,
            "ListCalls" list_calls ListCallsRequest ListCallsResponse,
            "UpdateCall" update_call UpdateCallRequest UpdateCallResponse,
            "UpdateCallMembers" update_call_members UpdateCallMembersRequest UpdateCallMembersResponse,
            "RingCall" ring_call RingCallRequest RingCallResponse,
            "JoinCall" join_call JoinCallRequest JoinCallResponse,
            "RejectCall" reject_call RejectCallRequest RejectCallResponse,
            "CancelCall" cancel_call CancelCallRequest CancelCallResponse,
            "LeaveCall" leave_call LeaveCallRequest LeaveCallResponse,
            "EndCall" end_call EndCallRequest EndCallResponse,
            "ListCallEvents" list_call_events ListCallEventsRequest ListCallEventsResponse,
            "ListEvents" list_events ListEventsRequest ListEventsResponse,
        }
    }

    /// Opens a stream: what controls it, and what reports it to its end.
    pub fn watch(
        &self,
        fields: &Value,
        tell: impl Fn(Value),
    ) -> Result<(Control, impl Future<Output = Value>), Failure> {
        let request = self.request(parsed("WatchCallsRequest", fields, &[])?);
        let control = Control { paused: watch::Sender::new(false), cancelled: watch::Sender::new(false) };
        let (mut stub, paused) = (self.stub.clone(), control.paused.subscribe());
        let (cancelled, closed) = (control.cancelled.subscribe(), self.closed.subscribe());
        let reporting = async move {
            let reading = async {
                let messages = stub.watch_calls(request).await?.into_inner();
                read(messages, paused, tell).await
            };
            let ended: Result<(), Status> = tokio::select! {
                biased;
                () = until(cancelled) => Err(Status::cancelled("the stream was cancelled")),
                () = until(closed) => Err(Status::cancelled("the client is closed")),
                ended = reading => ended,
            };
            ended.map_or_else(|status| refusal(&status), |()| json!({"code": "OK"}))
        };
        Ok((control, reporting))
    }
}

/// What controls a stream: while it is paused nothing is read, and flow control holds the server back.
pub struct Control {
    paused: watch::Sender<bool>,
    cancelled: watch::Sender<bool>,
}

impl Control {
    pub fn pause(&self, pause: bool) {
        self.paused.send_replace(pause);
    }

    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }
}

async fn read(
    mut messages: Streaming<WatchCallsResponse>,
    mut paused: watch::Receiver<bool>,
    tell: impl Fn(Value),
) -> Result<(), Status> {
    loop {
        if *paused.borrow_and_update() {
            let _ = paused.changed().await;
            continue;
        }
        tokio::select! {
            biased;
            _ = paused.changed() => {}
            message = messages.message() => match message? {
                Some(message) => tell(told("WatchCallsResponse", &message).unwrap_or_else(driver_failed)),
                None => return Ok(()),
            },
        }
    }
}

/// Returns once it is so.
async fn until(mut so: watch::Receiver<bool>) {
    if so.wait_for(|so| *so).await.is_err() {
        std::future::pending().await // nobody is left who could say it
    }
}

/// Returns the canonical name of a code.
pub fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// Returns that it was the driver, not the server, that could not do it.
pub fn driver_failed(why: Failure) -> Value {
    json!({"code": "UNKNOWN", "message": format!("driver: {why}")})
}

/// Returns what the server refused, its details read without the SDK.
fn refusal(status: &Status) -> Value {
    // tonic's own name for a deadline that has passed here is CANCELLED.
    let late = iter::successors(status.source(), |one| (*one).source()).any(|one| one.is::<TimeoutExpired>());
    let code = if late { Code::DeadlineExceeded } else { status.code() };
    let mut report = json!({"code": name(code), "message": status.message()});
    if let Some(info) = status.get_details_error_info() {
        report["reason"] = info.reason.into();
        report["metadata"] = json!(info.metadata);
    }
    if let Some(bad) = status.get_details_bad_request() {
        report["fields"] = bad.field_violations.into_iter().map(|one| one.field).collect();
    }
    if let Some(pause) = status.get_details_retry_info().and_then(|info| info.retry_delay) {
        report["retryAfter"] = pause.as_secs_f64().into();
    }
    report
}
