//! What the client does by itself, against a server that says what a test wants.

#[path = "support/fake.rs"]
mod fake;

use std::time::{Duration, Instant, SystemTime};

use fake::{Fake, Told, Watched, PATIENCE};
use ringline::{
    v1::{self, watch_calls_response::Event as Sent},
    Answer, Call, CallLists, CallingState, Client, ErrorReason, Event, Get, Join, Leave, WatchOptions,
};
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

fn told(revision: i32, state: CallingState, ring: &str) -> Told {
    let call =
        v1::Call { r#type: "default".into(), id: "standup".into(), uid: "u".into(), revision, ..v1::Call::default() };
    let mut viewer = v1::ViewerState { user_id: "bob".into(), ring_id: ring.into(), ..v1::ViewerState::default() };
    viewer.set_calling_state(state);
    (call, viewer)
}

fn incoming(revision: i32, ring: &str) -> Told {
    let (call, mut viewer) = told(revision, CallingState::Ringing, ring);
    viewer.set_target_state(v1::RingTargetState::Ringing);
    viewer.set_direction(v1::CallDirection::Incoming);
    (call, viewer)
}

fn outgoing(revision: i32, ring: &str) -> Told {
    let (mut call, viewer) = told(revision, CallingState::Ringing, ring);
    let mut own = v1::Ring { id: ring.into(), ringer_id: "bob".into(), ..v1::Ring::default() };
    own.set_state(v1::RingState::Ringing);
    call.rings.push(own);
    (call, viewer)
}

fn change(kind: i32, (call, viewer): Told) -> Option<Sent> {
    Some(Sent::Change(v1::CallChange { kind, call: Some(call), viewer: Some(viewer), ..v1::CallChange::default() }))
}

fn added(told: Told) -> Option<Sent> {
    change(v1::ChangeKind::Added.into(), told)
}

fn complete(resumed: bool) -> Option<Sent> {
    Some(Sent::SnapshotComplete(v1::SnapshotComplete { resumed }))
}

fn refused(code: Code, reason: &str, retry_after: Option<Duration>) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "ringline", [("device_id".to_owned(), "tablet".to_owned())]);
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    Status::with_error_details(code, "no", details)
}

async fn next(lists: &mut CallLists) -> Vec<Call> {
    timeout(PATIENCE, lists.next()).await.expect("a list").expect("no end").expect("no error")
}

fn revisions(calls: &[Call]) -> Vec<i32> {
    calls.iter().map(Call::revision).collect()
}

/// Begins a watch, and lets it show one call.
async fn following(fake: &mut Fake, options: WatchOptions) -> (Client, CallLists, Watched) {
    let client = fake.client();
    let mut lists = client.watch_calls(options);
    let watched = fake.watched().await;
    assert_eq!(watched.request.resume_token, "");
    watched.send(added(incoming(5, "r5")), "").await;
    watched.send(complete(false), "t1").await;
    assert_eq!(revisions(&next(&mut lists).await), [5]);
    (client, lists, watched)
}

#[tokio::test]
async fn a_request_is_repeated_under_its_id_and_not_sooner_than_the_server_asks() {
    let mut fake = Fake::start().await;
    let call = fake.client().call("default", "standup");
    let asking = tokio::spawn(async move { call.get(Get { ring: true, ..Get::default() }).await });
    let first = fake.asked("get_call").await;
    assert_eq!(first.request_id.len(), 32);
    assert_eq!(first.metadata.get("x-user-id").unwrap(), "bob");
    assert_eq!(first.metadata.get("x-device-id").unwrap(), "phone");
    let pause = Duration::from_millis(300);
    let begun = Instant::now();
    first.answer.send(Err(refused(Code::Unavailable, "OVERLOADED", Some(pause)))).unwrap();
    let second = fake.asked("get_call").await;
    assert!(begun.elapsed() >= pause);
    assert_eq!(second.request_id, first.request_id);
    second.answer.send(Ok(incoming(1, "r1"))).unwrap();
    asking.await.unwrap().unwrap();
    fake.assert_quiet();
}

#[tokio::test]
async fn two_requests_have_two_ids() {
    let mut fake = Fake::start().await;
    let client = fake.client();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let call = client.call("default", "standup");
        let asking = tokio::spawn(async move { call.end("").await });
        let asked = fake.asked("end_call").await;
        ids.push(asked.request_id);
        asked.answer.send(Ok(told(1, CallingState::Left, ""))).unwrap();
        asking.await.unwrap().unwrap();
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn what_the_server_refuses_is_told_at_once_with_all_details() {
    let mut fake = Fake::start().await;
    let call = fake.client().call("default", "standup");
    let asking = tokio::spawn(async move { call.join(Join { ring_id: Some("r".into()), ..Join::default() }).await });
    let mut details = ErrorDetails::new();
    details.set_error_info("JOINED_ELSEWHERE", "ringline", [("device_id".to_owned(), "tablet".to_owned())]);
    details.set_bad_request([tonic_types::FieldViolation::new("ring_id", "what it should be")].to_vec());
    let status = Status::with_error_details(Code::FailedPrecondition, "Move it here.", details);
    fake.asked("join_call").await.answer.send(Err(status)).unwrap();
    let failed = asking.await.unwrap().unwrap_err();
    assert_eq!(failed.code, Code::FailedPrecondition);
    assert!(failed.is(ErrorReason::JoinedElsewhere) && !failed.is(ErrorReason::CallEnded));
    assert_eq!(failed.metadata["device_id"], "tablet");
    assert_eq!((failed.fields[0].field.as_str(), failed.fields.len()), ("ring_id", 1));
    assert_eq!(failed.to_string(), "FailedPrecondition JOINED_ELSEWHERE: Move it here.");
    fake.assert_quiet();
}

#[tokio::test]
async fn who_gets_no_answer_is_told_so_in_time() {
    let mut fake = Fake::start().await;
    let builder = Client::builder(fake.address.clone()).user("bob").timeout(Duration::from_secs(2));
    let call = builder.build().unwrap().call("default", "standup");
    let asking = tokio::spawn(async move { call.get(Get::default()).await });
    let asked = fake.asked("get_call").await;
    assert!(asked.metadata.contains_key("grpc-timeout"));
    let failed = asking.await.unwrap().unwrap_err();
    assert_eq!(failed.code, Code::DeadlineExceeded);
    drop(asked);
}

#[tokio::test]
async fn a_request_on_a_dead_connection_is_asked_again_on_another() {
    let mut fake = Fake::start().await;
    let call = fake.client().call("default", "standup");
    let asking = tokio::spawn(async move { call.get(Get { ring: true, ..Get::default() }).await });
    let silent = fake.asked("get_call").await;
    let again = fake.asked("get_call").await;
    assert_eq!(again.request_id, silent.request_id);
    assert_ne!(again.peer, silent.peer);
    again.answer.send(Ok(outgoing(1, "r1"))).unwrap();
    asking.await.unwrap().unwrap();
    fake.assert_quiet();
}

#[tokio::test]
async fn a_request_on_a_slow_server_is_asked_again_on_the_same_connection() {
    let mut fake = Fake::start().await;
    let call = fake.client().call("default", "standup");
    let asking = tokio::spawn(async move { call.get(Get::default()).await });
    let slow = fake.asked("get_call").await;
    let late = refused(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", None);
    slow.answer.send(Err(late)).unwrap();
    let again = fake.asked("get_call").await;
    assert_eq!(again.peer, slow.peer);
    again.answer.send(Ok(incoming(1, "r1"))).unwrap();
    asking.await.unwrap().unwrap();
}

#[tokio::test]
async fn names_that_are_not_ascii_travel_as_bytes() {
    let mut fake = Fake::start().await;
    let call = Client::builder(fake.address.clone()).user("Борис").build().unwrap().call("default", "standup");
    let asking = tokio::spawn(async move { call.get(Get::default()).await });
    let asked = fake.asked("get_call").await;
    assert_eq!(asked.metadata.get_bin("x-user-id-bin").unwrap().to_bytes().unwrap(), "Борис".as_bytes());
    assert!(!asked.metadata.contains_key("x-user-id"));
    asked.answer.send(Ok(incoming(1, "r1"))).unwrap();
    asking.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_names_the_ring_that_is_shown() {
    let mut fake = Fake::start().await;
    let (_client, mut lists, watched) = following(&mut fake, WatchOptions::default()).await;
    watched.send(change(v1::ChangeKind::Updated.into(), incoming(6, "r6")), "t2").await;
    let call = next(&mut lists).await.remove(0);
    let rejecting = {
        let call = call.clone();
        tokio::spawn(async move { call.reject(Answer { reason: "busy".into(), ..Answer::default() }).await })
    };
    let asked = fake.asked("reject_call").await;
    assert_eq!((asked.ring_id.as_str(), asked.reason.as_str()), ("r6", "busy"));
    asked.answer.send(Ok(told(7, CallingState::Left, "r6"))).unwrap();
    rejecting.await.unwrap().unwrap();
    assert!(call.calling_state() == CallingState::Left);
}

#[tokio::test]
async fn an_answer_where_no_ring_is_shown_asks_first_and_names_the_ring_found() {
    for (rpc, stands) in
        [("join_call", incoming(1, "r1")), ("reject_call", incoming(1, "r1")), ("cancel_call", outgoing(1, "r1"))]
    {
        let mut fake = Fake::start().await;
        let call = fake.client().call("default", "standup");
        let answering = tokio::spawn(async move {
            match rpc {
                "join_call" => call.join(Join::default()).await.map(drop),
                "reject_call" => call.reject(Answer::default()).await,
                _ => call.cancel(Answer::default()).await,
            }
        });
        fake.asked("get_call").await.answer.send(Ok(stands)).unwrap();
        let asked = fake.asked(rpc).await;
        assert_eq!(asked.ring_id, "r1");
        asked.answer.send(Ok(told(2, CallingState::Left, "r1"))).unwrap();
        answering.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_older_answer_does_not_replace_what_is_shown() {
    let mut fake = Fake::start().await;
    let call = fake.client().call("default", "standup");
    for (revision, shown) in [(2, 2), (1, 2), (3, 3)] {
        let asking = tokio::spawn({
            let call = call.clone();
            async move { call.get(Get::default()).await }
        });
        fake.asked("get_call").await.answer.send(Ok(incoming(revision, "r"))).unwrap();
        asking.await.unwrap().unwrap();
        assert_eq!(call.revision(), shown);
    }
}

/// Leaves with `reject` where the user stands like this, and returns what was asked then, if anything.
async fn leave_where(stands: Told, then: Option<&str>) -> Option<(String, String)> {
    let mut fake = Fake::start().await;
    let call = fake.client().call("default", "standup");
    let leaving = tokio::spawn(async move { call.leave(Leave { reject: true, reason: "why".into() }).await });
    fake.asked("get_call").await.answer.send(Ok(stands)).unwrap();
    let mut named = None;
    if let Some(rpc) = then {
        let asked = fake.asked(rpc).await;
        named = Some((asked.ring_id, asked.reason));
        asked.answer.send(Ok(told(9, CallingState::Left, ""))).unwrap();
    }
    leaving.await.unwrap().unwrap();
    fake.assert_quiet();
    named
}

#[tokio::test]
async fn e2_leave_with_reject_does_what_the_state_means() {
    let why = |ring: &str| Some((ring.to_owned(), "why".to_owned()));
    assert_eq!(leave_where(incoming(1, "r1"), Some("reject_call")).await, why("r1"));
    assert_eq!(leave_where(outgoing(1, "r2"), Some("cancel_call")).await, why("r2"));
    assert_eq!(leave_where(told(1, CallingState::Joined, "r3"), Some("leave_call")).await, why(""));
    assert_eq!(leave_where(told(1, CallingState::Left, "r4"), None).await, None);
}

#[tokio::test]
async fn leave_hangs_up_if_somebody_answered_just_before() {
    let mut fake = Fake::start().await;
    let call = fake.client().call("default", "standup");
    let leaving = tokio::spawn(async move { call.leave(Leave { reject: true, ..Leave::default() }).await });
    fake.asked("get_call").await.answer.send(Ok(outgoing(1, "r1"))).unwrap();
    let late = refused(Code::FailedPrecondition, "ALREADY_ACCEPTED", None);
    fake.asked("cancel_call").await.answer.send(Err(late)).unwrap();
    fake.asked("leave_call").await.answer.send(Ok(told(2, CallingState::Left, "r1"))).unwrap();
    leaving.await.unwrap().unwrap();
}

#[tokio::test]
async fn leave_does_nothing_to_another_ring_than_the_one_shown() {
    let mut fake = Fake::start().await;
    let (_client, mut lists, watched) = following(&mut fake, WatchOptions::default()).await;
    watched.send(change(v1::ChangeKind::Updated.into(), incoming(6, "r6")), "t2").await;
    let call = next(&mut lists).await.remove(0);
    let leaving = tokio::spawn(async move { call.leave(Leave { reject: true, ..Leave::default() }).await });
    fake.asked("get_call").await.answer.send(Ok(incoming(9, "r9"))).unwrap();
    leaving.await.unwrap().unwrap();
    fake.assert_quiet();
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was_after_a_planned_stop() {
    let mut fake = Fake::start().await;
    let (_client, mut lists, watched) = following(&mut fake, WatchOptions::default()).await;
    watched.send(Some(Sent::GoingAway(v1::GoingAway {})), "t2").await;
    drop(watched);
    let again = fake.watched().await;
    assert_eq!(again.request.resume_token, "t2");
    again.send(change(v1::ChangeKind::Removed.into(), told(6, CallingState::Left, "r5")), "t2").await;
    again.send(complete(true), "t3").await;
    assert!(next(&mut lists).await.is_empty());
}

#[tokio::test]
async fn silence_is_noticed_and_another_stream_resumes() {
    let mut fake = Fake::start().await;
    let interval = Duration::from_secs(1);
    let options = WatchOptions { heartbeat_interval: Some(interval), ..WatchOptions::default() };
    let begun = Instant::now();
    let (_client, mut lists, watched) = following(&mut fake, options).await;
    watched.send(Some(Sent::Heartbeat(v1::Heartbeat {})), "t2").await;
    let again = fake.watched().await;
    assert!(begun.elapsed() >= interval.mul_f64(2.5));
    assert_eq!(again.request.resume_token, "t2");
    again.send(change(v1::ChangeKind::Updated.into(), incoming(6, "r6")), "t3").await;
    again.send(complete(true), "t3").await;
    assert_eq!(revisions(&next(&mut lists).await), [6]);
}

#[tokio::test]
async fn a_reset_forgets_the_list_the_token_and_the_revisions() {
    let mut fake = Fake::start().await;
    let (_client, mut lists, watched) = following(&mut fake, WatchOptions::default()).await;
    drop(watched);
    let again = fake.watched().await;
    assert_eq!(again.request.resume_token, "t1");
    again.send(Some(Sent::Reset(v1::Reset { reason: v1::ResetReason::Future.into() })), "").await;
    again.send(added(incoming(2, "r2")), "").await;
    drop(again); // before the snapshot is complete
    let third = fake.watched().await;
    assert_eq!(third.request.resume_token, "");
    third.send(added(incoming(2, "r2")), "").await;
    third.send(complete(false), "t9").await;
    assert_eq!(revisions(&next(&mut lists).await), [2]);
}

#[tokio::test]
async fn older_revisions_are_dropped() {
    let mut fake = Fake::start().await;
    let (_client, mut lists, watched) = following(&mut fake, WatchOptions::default()).await;
    watched.send(change(v1::ChangeKind::Removed.into(), told(4, CallingState::Left, "r4")), "t2").await;
    watched.send(change(v1::ChangeKind::Updated.into(), incoming(6, "r6")), "t3").await;
    assert_eq!(revisions(&next(&mut lists).await), [6]);
}

#[tokio::test]
async fn what_a_newer_server_says_is_tolerated() {
    let mut fake = Fake::start().await;
    let (_client, mut lists, watched) = following(&mut fake, WatchOptions::default()).await;
    watched.send(None, "t2").await;
    let (mut call, viewer) = incoming(6, "r6");
    call.state = 17;
    watched.send(change(99, (call, viewer)), "t3").await;
    let call = next(&mut lists).await.remove(0);
    assert_eq!((call.state().to_string().as_str(), call.state().known()), ("UNKNOWN(17)", None));
    drop(watched);
    assert_eq!(fake.watched().await.request.resume_token, "t3");
}

#[tokio::test]
async fn a_watch_waits_as_long_as_the_server_asks() {
    let mut fake = Fake::start().await;
    let (_client, _lists, watched) = following(&mut fake, WatchOptions::default()).await;
    let pause = Duration::from_millis(600);
    let begun = Instant::now();
    watched.fail(refused(Code::Unavailable, "TOO_SLOW", Some(pause))).await;
    assert_eq!(fake.watched().await.request.resume_token, "t1");
    assert!(begun.elapsed() >= pause);
}

#[tokio::test]
async fn a_watch_ends_with_what_cannot_heal() {
    for (code, reason) in [
        (Code::Unauthenticated, "BAD_IDENTITY"),
        (Code::PermissionDenied, "NOT_ALLOWED"),
        (Code::InvalidArgument, "INVALID_FIELD"),
        (Code::Unimplemented, ""),
        (Code::Aborted, "WATCH_REPLACED"),
    ] {
        let mut fake = Fake::start().await;
        let (_client, mut lists, watched) = following(&mut fake, WatchOptions::default()).await;
        watched.fail(refused(code, reason, None)).await;
        let failed = timeout(PATIENCE, lists.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!((failed.code, failed.reason.as_deref()), (code, Some(reason)));
        assert!(lists.next().await.is_none());
    }
}

#[tokio::test]
async fn closing_ends_watches_and_requests_and_the_server_sees_it() {
    let mut fake = Fake::start().await;
    let (client, mut lists, watched) = following(&mut fake, WatchOptions::default()).await;
    let call = client.call("default", "standup");
    let asking = tokio::spawn(async move { call.get(Get::default()).await });
    let asked = fake.asked("get_call").await;
    client.close();
    assert_eq!(asking.await.unwrap().unwrap_err().code, Code::Cancelled);
    assert!(timeout(PATIENCE, lists.next()).await.unwrap().is_none());
    timeout(PATIENCE, watched.messages.closed()).await.expect("the stream ends");
    drop(asked);
    assert_eq!(client.call("default", "x").get(Get::default()).await.unwrap_err().code, Code::Cancelled);
}

#[tokio::test]
async fn a_list_that_is_dropped_ends_its_stream() {
    let mut fake = Fake::start().await;
    let (_client, lists, watched) = following(&mut fake, WatchOptions::default()).await;
    drop(lists);
    timeout(PATIENCE, watched.messages.closed()).await.expect("the stream ends");
}

#[tokio::test]
async fn seconds_are_counted_by_the_servers_clock() {
    let mut fake = Fake::start().await;
    let client = fake.client();
    let mut lists = client.watch_calls(WatchOptions::default());
    let watched = fake.watched().await;
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let (call, mut viewer) = incoming(1, "r1");
    viewer.ring_expires_at = Some((long_ago + Duration::from_secs(30)).into());
    let message = v1::WatchCallsResponse {
        event: added((call, viewer)),
        server_time: Some(long_ago.into()),
        ..v1::WatchCallsResponse::default()
    };
    watched.messages.send(Ok(message)).await.unwrap();
    watched.send(complete(false), "t1").await;
    let left = next(&mut lists).await[0].time_left().unwrap();
    assert!(left > Duration::from_secs(15) && left <= Duration::from_secs(30), "{left:?}");
}

#[tokio::test]
async fn events_tell_what_a_list_cannot_show() {
    let mut fake = Fake::start().await;
    let client = fake.client();
    let mut events = client.watch(WatchOptions::default());
    let watched = fake.watched().await;
    watched.send(complete(false), "t1").await;
    let (call, viewer) = told(6, CallingState::Left, "r5");
    let notification = v1::CallNotification {
        call: Some(call.clone()),
        actor_user_id: "alice".into(),
        ..v1::CallNotification::default()
    };
    watched.send(Some(Sent::Notification(notification)), "t2").await;
    let mut removed = v1::CallChange { call: Some(call), viewer: Some(viewer), ..v1::CallChange::default() };
    removed.set_kind(v1::ChangeKind::Removed);
    removed.set_stop_reason(v1::StopReason::Missed);
    watched.send(Some(Sent::Change(removed)), "t3").await;

    assert!(matches!(events.next().await.unwrap().unwrap(), Event::SnapshotComplete { resumed: false }));
    let Event::Notification(notification) = events.next().await.unwrap().unwrap() else { panic!("no notification") };
    assert_eq!((notification.actor_user_id.as_str(), notification.call.cid().as_str()), ("alice", "default:standup"));
    let Event::Change(change) = events.next().await.unwrap().unwrap() else { panic!("no change") };
    assert!(change.stop_reason == v1::StopReason::Missed);
}

#[tokio::test]
async fn a_token_does_not_travel_unencrypted() {
    let builder = Client::builder("http://127.0.0.1:1").token(|| async { Ok("secret".to_owned()) });
    assert_eq!(builder.build().unwrap_err().code, Code::InvalidArgument);
}
