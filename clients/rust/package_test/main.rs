//! An app that has nothing but the crate: ./check builds and runs it in an empty folder.

use ringline::{Client, v1};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client = Client::builder("http://127.0.0.1:1").user("myself").build().unwrap();
    let call = client.call("default", "test");
    assert_eq!(*call.message(), v1::Call::default());
    client.close();
    let failed = call.get(Default::default()).await.unwrap_err();
    assert_eq!(failed.to_string(), "Cancelled: The client is closed.");
    println!("ringline in a crate of its own: {}", call.cid());
}
