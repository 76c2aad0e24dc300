//! Clients of the SDK.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use ringline::{
    v1, Answer, Call, Client, Error, Get, GetOrCreate, Join, Leave, Member, RingMembers, Update, UpdateMembers,
    WatchOptions,
};
use serde_json::{json, Value};

use crate::json::{parsed, Failure};
use crate::stubs::{driver_failed, name};

/// A client, and the calls as it has shown them last: the verbs mean those.
#[derive(Clone)]
pub struct Sdk {
    client: Client,
    shown: Arc<Mutex<HashMap<String, Call>>>,
}

impl Sdk {
    pub fn new(address: &str, user: &str, device: &str) -> Result<Self, Error> {
        let builder = Client::builder(format!("http://{address}")).user(user);
        let builder = if device.is_empty() { builder } else { builder.device(device) };
        Ok(Self { client: builder.build()?, shown: Arc::default() })
    }

    pub fn close(&self) {
        self.client.close();
    }

    /// Returns the call that was shown last, or one of which nothing is known.
    fn call(&self, call_type: &str, id: &str) -> Call {
        let mut shown = self.shown.lock().expect("nobody panics with it");
        shown.entry(format!("{call_type}:{id}")).or_insert_with(|| self.client.call(call_type, id)).clone()
    }

    /// Does a verb.
    pub async fn act(&self, verb: &str, call_type: &str, id: &str, args: &Value) -> Result<Value, Value> {
        let call = self.call(call_type, id);
        let participant = act(&call, verb, args).await.map_err(explained)?;
        let mut result = told(&call);
        if let Some(participant) = participant {
            result["participant"] = json!({"userId": participant.user_id, "deviceId": participant.device_id});
        }
        Ok(result)
    }

    /// Follows the list of calls to its end.
    pub async fn follow(&self, args: &Value, tell: impl Fn(Value)) -> Value {
        let options = match filter(args) {
            Ok(options) => options,
            Err(failure) => return driver_failed(failure),
        };
        let mut lists = self.client.watch_calls(options);
        while let Some(calls) = lists.next().await {
            let mut calls = match calls {
                Ok(calls) => calls,
                Err(failed) => return said(&failed),
            };
            {
                let mut shown = self.shown.lock().expect("nobody panics with it");
                shown.extend(calls.iter().map(|call| (call.cid(), call.clone())));
            }
            calls.sort_by_key(Call::cid);
            tell(calls.iter().map(told).collect());
        }
        json!({"code": "OK"})
    }
}

async fn act(call: &Call, verb: &str, args: &Value) -> Result<Option<v1::Participant>, Failure> {
    match verb {
        "getOrCreate" => {
            let r: v1::GetOrCreateCallRequest =
                parsed("GetOrCreateCallRequest", args, &["data", "ring", "notify", "video"])?;
            let known = ["members", "custom", "settings", "starts_at", "team"];
            let data: v1::CallData = parsed("CallData", args.get("data").unwrap_or(&Value::Null), &known)?;
            let options = GetOrCreate {
                ring: r.ring,
                notify: r.notify,
                video: r.video,
                members: members(data.members),
                custom: data.custom,
                settings: data.settings,
                starts_at: data.starts_at.map(SystemTime::try_from).transpose()?,
                team: data.team,
            };
            call.get_or_create(options).await?;
        }
        "get" => {
            let r: v1::GetCallRequest = parsed("GetCallRequest", args, &["ring", "notify", "video"])?;
            call.get(Get { ring: r.ring, notify: r.notify, video: r.video }).await?;
        }
        "ring" => {
            let r: v1::RingCallRequest = parsed("RingCallRequest", args, &["user_ids", "video"])?;
            call.ring(RingMembers { user_ids: r.user_ids, video: r.video }).await?;
        }
        "join" => {
            let r: v1::JoinCallRequest = parsed("JoinCallRequest", args, &["mode", "ring_id"])?;
            let answer = call.join(Join { mode: r.mode(), ring_id: given(r.ring_id) }).await?;
            return Ok(answer.participant);
        }
        "reject" => {
            let r: v1::RejectCallRequest = parsed("RejectCallRequest", args, &["reason", "ring_id"])?;
            call.reject(Answer { reason: r.reason, ring_id: given(r.ring_id) }).await?;
        }
        "cancel" => {
            let r: v1::CancelCallRequest = parsed("CancelCallRequest", args, &["reason", "ring_id"])?;
            call.cancel(Answer { reason: r.reason, ring_id: given(r.ring_id) }).await?;
        }
        "leave" => {
            let reject = args["reject"].as_bool().unwrap_or_default();
            let reason = args["reason"].as_str().unwrap_or_default().to_owned();
            call.leave(Leave { reject, reason }).await?;
        }
        "end" => {
            let r: v1::EndCallRequest = parsed("EndCallRequest", args, &["reason"])?;
            call.end(r.reason).await?;
        }
        "update" => {
            let known = ["custom", "settings", "starts_at", "update_mask", "expected_revision"];
            let r: v1::UpdateCallRequest = parsed("UpdateCallRequest", args, &known)?;
            let options = Update {
                custom: r.custom,
                settings: r.settings,
                starts_at: r.starts_at.map(SystemTime::try_from).transpose()?,
                mask: r.update_mask.unwrap_or_default().paths,
                expected_revision: Some(r.expected_revision).filter(|revision| *revision != 0),
            };
            call.update(options).await?;
        }
        "updateMembers" => {
            let known = ["upsert_members", "remove_user_ids", "ring", "video"];
            let r: v1::UpdateCallMembersRequest = parsed("UpdateCallMembersRequest", args, &known)?;
            let options = UpdateMembers {
                upsert: members(r.upsert_members),
                remove: r.remove_user_ids,
                ring: r.ring,
                video: r.video,
            };
            call.update_members(options).await?;
        }
        _ => return Err(format!("there is no verb {verb:?}").into()),
    }
    Ok(None)
}

fn given(ring_id: String) -> Option<String> {
    Some(ring_id).filter(|id| !id.is_empty())
}

fn members(inputs: Vec<v1::MemberInput>) -> Vec<Member> {
    let member = |one: v1::MemberInput| Member { user_id: one.user_id, role: one.role, custom: one.custom };
    inputs.into_iter().map(member).collect()
}

fn filter(args: &Value) -> Result<WatchOptions, Failure> {
    let known = ["directions", "calling_states", "call_states", "types", "cids", "heartbeat_interval"];
    let r: v1::WatchCallsRequest = parsed("WatchCallsRequest", args, &known)?;
    Ok(WatchOptions {
        directions: r.directions().collect(),
        calling_states: r.calling_states().collect(),
        call_states: r.call_states().collect(),
        heartbeat_interval: r.heartbeat_interval.map(TryInto::try_into).transpose()?,
        types: r.types,
        cids: r.cids,
    })
}

/// Returns a call as the SDK shows it.
fn told(call: &Call) -> Value {
    let mut told = json!({
        "cid": call.cid(),
        "uid": call.uid(),
        "revision": call.revision(),
        "state": call.state().to_string(),
        "callingState": call.calling_state().to_string(),
        "direction": call.direction().to_string(),
        "createdByMe": call.created_by_me(),
        "ringId": call.ring_id(),
    });
    if let Some(left) = call.time_left() {
        told["secondsLeft"] = left.as_secs_f64().into();
    }
    told
}

fn explained(failure: Failure) -> Value {
    match failure.downcast::<Error>() {
        Ok(failed) => said(&failed),
        Err(failure) => driver_failed(failure),
    }
}

/// Returns an error of the SDK.
pub fn said(failed: &Error) -> Value {
    let mut report = json!({"code": name(failed.code), "message": failed.message});
    if let Some(reason) = &failed.reason {
        report["reason"] = reason.as_str().into();
        report["metadata"] = json!(failed.metadata);
    }
    if !failed.fields.is_empty() {
        report["fields"] = failed.fields.iter().map(|one| one.field.as_str()).collect();
    }
    if let Some(pause) = failed.retry_after {
        report["retryAfter"] = pause.as_secs_f64().into();
    }
    report
}
