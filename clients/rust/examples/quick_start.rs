//! Rings a friend and waits for the answer, on a server on localhost.

use ringline::{members, CallingState, Client, GetOrCreate, Leave, WatchOptions};

#[tokio::main]
async fn main() -> Result<(), ringline::Error> {
    let address = std::env::var("RINGLINE_ADDRESS").unwrap_or("127.0.0.1:50051".into());
    let client = Client::builder(format!("http://{address}")).user("myself").device("desk").build()?;
    let call = client.call("default", "quick-start");
    let members = members(["myself", "my friend"]);
    call.get_or_create(GetOrCreate { ring: true, members, ..Default::default() }).await?;
    let mut lists = client.watch_calls(WatchOptions { cids: vec![call.cid()], ..Default::default() });
    while let Some(calls) = lists.next().await {
        let Some(call) = calls?.pop() else { break };
        println!("{}", call.calling_state());
        if call.calling_state() != CallingState::Ringing {
            return call.leave(Leave::default()).await;
        }
    }
    Ok(())
}
