//! The client against a real server: the user's page, the verbs with their options, the examples, and a restart.

#[path = "support/server.rs"]
mod server;

use std::{
    collections::BTreeMap,
    env,
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use ringline::{
    members, v1, Answer, Call, CallDirection, CallLists, CallState, CallingState, Client, EndReason, ErrorReason,
    Event, Get, GetOrCreate, Join, JoinMode, Leave, Member, RingMembers, Update, UpdateMembers, WatchOptions,
};
use server::Server;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a list is as wanted, and returns it.
async fn until(lists: &mut CallLists, wanted: impl Fn(&[Call]) -> bool) -> Vec<Call> {
    let waiting = async {
        loop {
            let calls = lists.next().await.expect("the list goes on").expect("nothing fails");
            if wanted(&calls) {
                return calls;
            }
        }
    };
    timeout(PATIENCE, waiting).await.expect("the list comes")
}

async fn one(lists: &mut CallLists) -> Call {
    until(lists, |calls| calls.len() == 1).await.remove(0)
}

async fn none(lists: &mut CallLists) {
    until(lists, <[Call]>::is_empty).await;
}

/// Rings `others` as the page does: the caller is listed too.
async fn ring(client: &Client, id: &str, users: &[&str]) -> Call {
    let call = client.call("default", id);
    let members = members(users.iter().copied());
    call.get_or_create(GetOrCreate { ring: true, members, ..GetOrCreate::default() }).await.unwrap();
    call
}

fn custom(key: &str, value: &str) -> prost_types::Struct {
    let value = prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(value.into())) };
    prost_types::Struct { fields: BTreeMap::from([(key.to_owned(), value)]) }
}

#[tokio::test]
async fn one_rings_the_other_answers_and_hangs_up() {
    let server = Server::start();
    let (alice, bob) = (server.client("myself", "desk"), server.client("my friend", "phone"));
    let mut incoming = bob.watch_calls(WatchOptions::default());
    none(&mut incoming).await;

    let outgoing = ring(&alice, "test-outgoing-call", &["myself", "my friend"]).await;
    assert!(outgoing.direction() == CallDirection::Outgoing && outgoing.created_by_me());
    let ringing = one(&mut incoming).await;
    assert!(ringing.direction() == CallDirection::Incoming && !ringing.created_by_me());
    assert_eq!(ringing.ringer_id(), "myself");
    for call in [&outgoing, &ringing] {
        let left = call.time_left().expect("it rings");
        assert!(left > Duration::from_secs(20) && left < Duration::from_secs(31), "{left:?}");
    }

    let joined = ringing.join(Join::default()).await.unwrap();
    assert_eq!(joined.participant.unwrap().device_id, "phone");
    assert!(ringing.calling_state() == CallingState::Joined);
    none(&mut incoming).await;
    outgoing.leave(Leave { reject: true, reason: "cancel".into() }).await.unwrap();
    assert!(outgoing.state() == CallState::Ended && outgoing.calling_state() == CallingState::Left);
    assert_eq!(outgoing.message().end_reason(), EndReason::LeftAlone);
}

#[tokio::test]
async fn a_call_is_refused_taken_back_and_rung_again() {
    let server = Server::start();
    let (alice, bob) = (server.client("alice", "desk"), server.client("bob", "phone"));
    let mut incoming = bob.watch_calls(WatchOptions::default());

    let call = ring(&alice, "x", &["alice", "bob"]).await;
    one(&mut incoming).await.leave(Leave { reject: true, reason: "busy".into() }).await.unwrap();
    none(&mut incoming).await;
    call.get(Get::default()).await.unwrap();
    assert_eq!(call.message().end_reason(), EndReason::Busy);

    call.ring(RingMembers::default()).await.unwrap();
    let shown = one(&mut incoming).await;
    call.leave(Leave { reject: true, reason: "cancel".into() }).await.unwrap();
    none(&mut incoming).await;
    let late = shown.join(Join::default()).await.unwrap_err();
    assert!(late.is(ErrorReason::RingOver), "{late}");
    assert_eq!(late.metadata["target_state"], "CANCELLED");
    shown.reject(Answer::default()).await.unwrap();
}

#[tokio::test]
async fn all_verbs_and_their_options() {
    let server = Server::start();
    let myself = server.client("myself", "desk");
    let call = myself.call("default", "lunch");
    let starts = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let ring = v1::RingSettings {
        auto_cancel_timeout: Some(Duration::from_secs(9).try_into().unwrap()),
        ..v1::RingSettings::default()
    };
    let friend = Member { user_id: "my friend".into(), role: "host".into(), custom: Some(custom("seat", "3")) };
    let options = GetOrCreate {
        notify: true,
        video: true,
        members: vec![friend],
        custom: Some(custom("topic", "soup")),
        settings: Some(v1::CallSettings { ring: Some(ring), ..v1::CallSettings::default() }),
        starts_at: Some(starts),
        ..GetOrCreate::default()
    };
    assert!(call.get_or_create(options).await.unwrap().created);
    let message = call.message();
    assert_eq!(message.last_notified_by_id, "myself");
    assert_eq!(message.custom, Some(custom("topic", "soup")));
    assert_eq!(message.starts_at, Some(starts.into()));
    assert_eq!(message.members.len(), 2);
    let settings = message.settings.as_ref().unwrap().ring.as_ref().unwrap();
    assert_eq!(settings.auto_cancel_timeout.unwrap().seconds, 9);

    let tea =
        Update { custom: Some(custom("topic", "tea")), expected_revision: Some(call.revision()), ..Update::default() };
    call.update(tea).await.unwrap();
    let clear = Update { mask: vec!["starts_at".into()], ..Update::default() };
    let old = Update { expected_revision: Some(1), ..clear.clone() };
    assert!(call.update(old).await.unwrap_err().is(ErrorReason::RevisionMismatch));
    call.update(clear).await.unwrap();
    assert_eq!((call.message().starts_at, &call.message().custom), (None, &Some(custom("topic", "tea"))));

    let change = UpdateMembers {
        upsert: members(["third"]),
        remove: vec!["my friend".into()],
        ring: true,
        ..UpdateMembers::default()
    };
    call.update_members(change).await.unwrap();
    assert!(call.calling_state() == CallingState::Ringing && !call.ring_id().is_empty());
    call.cancel(Answer { reason: "wrong number".into(), ..Answer::default() }).await.unwrap();
    assert_eq!(call.message().rings.last().unwrap().reason, "wrong number");
    call.ring(RingMembers { user_ids: vec!["third".into()], video: true }).await.unwrap();
    let third = server.client("third", "phone").call("default", "lunch");
    third.reject(Answer { reason: "busy".into(), ..Answer::default() }).await.unwrap();
    assert_eq!(third.message().end_reason(), EndReason::Busy);
    call.get(Get { ring: true, notify: true, ..Get::default() }).await.unwrap();
    third.join(Join::default()).await.unwrap();
    let tablet = server.client("third", "tablet").call("default", "lunch");
    assert!(tablet.join(Join::default()).await.unwrap_err().is(ErrorReason::JoinedElsewhere));
    tablet.join(Join { mode: JoinMode::MoveDevice, ..Join::default() }).await.unwrap();
    call.end("enough").await.unwrap();
    assert!(call.state() == CallState::Ended);
    assert_eq!(call.message().ended_by_id, "myself");

    assert_eq!(myself.list_calls(v1::ListCallsRequest::default()).await.unwrap().items.len(), 1);
    let lunch = v1::ListCallEventsRequest { r#type: "default".into(), id: "lunch".into(), ..Default::default() };
    let events = myself.list_call_events(lunch).await.unwrap().events;
    assert_eq!(events[0].r#type(), v1::CallEventType::CallCreated);
    let all = myself.list_events(v1::ListEventsRequest::default()).await.unwrap_err();
    assert!(all.is(ErrorReason::NotAllowed), "{all}");
}

#[tokio::test]
async fn who_does_not_watch_knows_the_seconds_only_of_a_ring_just_begun() {
    let server = Server::start();
    assert!(ring(&server.client("alice", "desk"), "x", &["alice", "bob"]).await.time_left().is_some());
    let friend = server.client("bob", "phone").call("default", "x");
    friend.get(Get::default()).await.unwrap();
    assert!(friend.calling_state() == CallingState::Ringing && friend.time_left().is_none());
    // Whoever rings already is not rung anew.
    let again = server.client("alice", "tablet").call("default", "x");
    again.get(Get { ring: true, ..Get::default() }).await.unwrap();
    assert!(again.calling_state() == CallingState::Ringing && again.time_left().is_none());
}

#[tokio::test]
async fn a_notification_is_told_without_ringing() {
    let server = Server::start();
    let bob = server.client("bob", "phone");
    let mut events = bob.watch(WatchOptions::default());
    let complete = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(complete, Event::SnapshotComplete { resumed: false }));
    let call = server.client("alice", "desk").call("default", "standup");
    let options = GetOrCreate { notify: true, members: members(["bob"]), ..GetOrCreate::default() };
    call.get_or_create(options).await.unwrap();
    let Event::Notification(told) = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap() else {
        panic!("no notification");
    };
    assert_eq!((told.actor_user_id.as_str(), told.call.cid()), ("alice", call.cid()));
    assert!(told.time.is_some());
}

#[tokio::test]
async fn lists_and_requests_survive_a_crash_of_the_server() {
    let mut server = Server::start();
    let (alice, bob) = (server.client("alice", "desk"), server.client("bob", "phone"));
    let mut incoming = bob.watch_calls(WatchOptions::default());
    let standup = ring(&alice, "standup", &["alice", "bob"]).await;
    one(&mut incoming).await;
    server.restart();
    ring(&alice, "lunch", &["alice", "bob"]).await;
    let calls = until(&mut incoming, |calls| calls.len() == 2).await;
    assert_eq!([calls[0].cid(), calls[1].cid()], ["default:lunch", "default:standup"]);
    standup.cancel(Answer::default()).await.unwrap();
    one(&mut incoming).await.join(Join::default()).await.unwrap();
}

/// Returns how to run an example, which cargo has built beside the tests.
fn example(name: &str, server: &Server) -> Command {
    let tests = env::current_exe().unwrap();
    let mut command = Command::new(tests.parent().unwrap().parent().unwrap().join("examples").join(name));
    command.env("RINGLINE_ADDRESS", &server.address).stdout(Stdio::piped());
    command
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_talk() {
    let server = Server::start();
    let callee = example("phone", &server).arg("Zoë").spawn().unwrap();
    let caller = example("phone", &server).args(["alice", "Zoë"]).output().unwrap();
    let heard = said(caller);
    // Whether it also says that it rings is chance: a list that nobody has taken is replaced by the next one.
    assert!(heard.ends_with("answered; hanging up in a second\n"), "{heard}");
    assert!(said(callee.wait_with_output().unwrap()).ends_with("answered alice\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_runs() {
    let server = Server::start();
    let friend = server.client("my friend", "phone");
    let mut incoming = friend.watch_calls(WatchOptions::default());
    let quick_start = example("quick_start", &server).spawn().unwrap();
    one(&mut incoming).await.join(Join::default()).await.unwrap();
    assert!(said(quick_start.wait_with_output().unwrap()).ends_with("JOINED\n"));
}
