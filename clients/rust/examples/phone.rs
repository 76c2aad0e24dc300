//! Rings somebody, or waits to be rung and answers. With a server on localhost:50051, in two terminals:
//!
//! ```sh
//! cargo run --example phone bob
//! cargo run --example phone alice bob
//! ```

use std::{env, process::ExitCode, time::Duration};

use ringline::{
    members, CallDirection, CallingState, Client, EndReason, Error, GetOrCreate, Join, Leave, Open, WatchOptions,
};

#[tokio::main]
async fn main() -> ExitCode {
    let users: Vec<String> = env::args().skip(1).collect();
    let Some((user, others)) = users.split_first() else {
        eprintln!("usage: phone USER [WHOM-TO-RING...]");
        return ExitCode::FAILURE;
    };
    match run(user, others).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{failed}");
            ExitCode::FAILURE
        }
    }
}

async fn run(user: &str, others: &[String]) -> Result<(), Error> {
    let address = env::var("RINGLINE_ADDRESS").unwrap_or("127.0.0.1:50051".into());
    let client = Client::builder(format!("http://{address}")).user(user).device("example").build()?;
    let done = if others.is_empty() { answer(&client).await } else { ring(&client, user, others).await };
    client.close();
    done
}

/// Rings the others, and hangs up a moment after one of them answered.
async fn ring(client: &Client, user: &str, others: &[String]) -> Result<(), Error> {
    let call = client.call("default", format!("example-of-{user}"));
    let everybody = members(others.iter().cloned().chain([user.to_owned()]));
    call.get_or_create(GetOrCreate { ring: true, members: everybody, ..GetOrCreate::default() }).await?;
    let mut lists = client.watch_calls(WatchOptions { cids: vec![call.cid()], ..WatchOptions::default() });
    while let Some(calls) = lists.next().await {
        let Some(call) = calls?.pop() else {
            return Ok(());
        };
        match call.calling_state().known() {
            Some(CallingState::Ringing) => {
                println!("ringing, for {} s more", call.time_left().unwrap_or_default().as_secs());
            }
            Some(CallingState::Joined) => {
                println!("answered; hanging up in a second");
                tokio::time::sleep(Duration::from_secs(1)).await;
                return call.leave(Leave::default()).await;
            }
            _ => {
                println!("over: {}", Open::<EndReason>::from(call.message().end_reason()));
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Answers the first call that rings.
async fn answer(client: &Client) -> Result<(), Error> {
    let incoming = WatchOptions { directions: vec![CallDirection::Incoming], ..WatchOptions::default() };
    let mut lists = client.watch_calls(incoming);
    while let Some(calls) = lists.next().await {
        let calls = calls?;
        println!("{} calls ring", calls.len());
        for call in calls {
            match call.join(Join::default()).await {
                Ok(_) => {
                    println!("answered {}", call.ringer_id());
                    return Ok(());
                }
                Err(failed) => println!("{} rang, but: {failed}", call.ringer_id()),
            }
        }
    }
    Ok(())
}
