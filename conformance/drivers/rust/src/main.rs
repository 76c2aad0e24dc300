//! The conformance driver for Rust: what it must do is in `conformance/protocol.md`. Commands come on stdin, reports go to
//! stdout.

mod json;
mod sdk;
mod stubs;

use std::{collections::HashMap, io::Write};

use serde_json::{json, Value};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::oneshot,
};

use crate::json::Failure;
use crate::sdk::{said, Sdk};
use crate::stubs::{driver_failed, Control, Stubs};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut driver = Driver::default();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line) {
            Ok(command) => driver.take(&command),
            Err(why) => eprintln!("driver: {why}"),
        }
    }
    Ok(())
}

/// Reports, a line each.
fn send(report: &Value) {
    let mut out = std::io::stdout().lock();
    if let Err(why) = writeln!(out, "{report}").and_then(|()| out.flush()) {
        eprintln!("driver: {why}");
    }
}

/// Reports what became of a command: under this key what is to be told.
fn answer(id: &Value, key: &str, told: Result<Value, Value>) {
    let (key, value) = told.map_or_else(|failed| ("error", failed), |value| (key, value));
    send(&json!({"id": id, key: value}));
}

/// Does what the runner says. Whatever may take long runs beside.
#[derive(Default)]
struct Driver {
    stubs: HashMap<String, Stubs>,
    watches: HashMap<String, Control>,
    sdks: HashMap<String, Sdk>,
    follows: HashMap<String, oneshot::Sender<()>>,
}

impl Driver {
    fn take(&mut self, command: &Value) {
        if let Err(failed) = self.begin(command) {
            answer(&command["id"], "error", Err(failed));
        }
    }

    /// Begins a command, and answers it unless it runs beside.
    fn begin(&mut self, command: &Value) -> Result<(), Value> {
        let id = &command["id"];
        let text = |key: &str| command[key].as_str().unwrap_or_default().to_owned();
        let absent = |what: &str, name: &str| driver_failed(format!("there is no {what} {name:?}").into());
        match text("op").as_str() {
            "hello" => {
                let versions = json!({"tonic": env!("TONIC_VERSION"), "prost": env!("PROST_VERSION")});
                send(&json!({"id": id, "language": "rust", "sdk": true, "versions": versions}));
                return Ok(());
            }
            "connect" => {
                let client = Stubs::new(&text("address"), &command["metadata"]).map_err(driver_failed)?;
                self.stubs.insert(text("client"), client);
            }
            "sdk.connect" => {
                let client =
                    Sdk::new(&text("address"), &text("user"), &text("device")).map_err(|failed| said(&failed))?;
                self.sdks.insert(text("client"), client);
            }
            "close" => match (self.stubs.remove(&text("client")), self.sdks.remove(&text("client"))) {
                (Some(client), _) => client.close(),
                (_, Some(client)) => client.close(),
                _ => return Err(absent("client", &text("client"))),
            },
            op @ ("unary" | "watch") => {
                let client = self.stubs.get(&text("client")).ok_or_else(|| absent("client", &text("client")))?.clone();
                if op == "watch" {
                    return self.watch(&client, command);
                }
                unary(client, command);
                return Ok(());
            }
            op @ ("pause" | "resume" | "cancel") => {
                let watch = self.watches.get(&text("watch")).ok_or_else(|| absent("watch", &text("watch")))?;
                match op {
                    "cancel" => watch.cancel(),
                    _ => watch.pause(op == "pause"),
                }
            }
            op @ ("sdk.do" | "sdk.follow") => {
                let client = self.sdks.get(&text("client")).ok_or_else(|| absent("client", &text("client")))?.clone();
                if op == "sdk.do" {
                    act(client, command);
                } else {
                    self.follow(client, command);
                }
                return Ok(());
            }
            "sdk.unfollow" => {
                let stop = self.follows.remove(&text("follow")).ok_or_else(|| absent("follow", &text("follow")))?;
                let _ = stop.send(()); // it may have ended by itself
            }
            op => return Err(absent("op", op)),
        }
        send(&json!({"id": id}));
        Ok(())
    }

    fn watch(&mut self, client: &Stubs, command: &Value) -> Result<(), Value> {
        let name = command["watch"].clone();
        let watch = name.clone();
        let tell = move |message| send(&json!({"watch": watch, "message": message}));
        let (control, reporting) = client.watch(&command["request"], tell).map_err(driver_failed)?;
        self.watches.insert(name.as_str().unwrap_or_default().to_owned(), control);
        send(&json!({"id": command["id"]}));
        tokio::spawn(async move { send(&json!({"watch": name, "end": reporting.await})) });
        Ok(())
    }

    fn follow(&mut self, client: Sdk, command: &Value) {
        let (stop, stopped) = oneshot::channel();
        let (name, args) = (command["follow"].clone(), command["args"].clone());
        self.follows.insert(name.as_str().unwrap_or_default().to_owned(), stop);
        send(&json!({"id": command["id"]}));
        tokio::spawn(async move {
            let tell = |calls| send(&json!({"follow": name, "calls": calls}));
            let end = tokio::select! {
                end = client.follow(&args, tell) => end,
                Ok(()) = stopped => json!({"code": "OK"}),
            };
            send(&json!({"follow": name, "end": end}));
        });
    }
}

fn unary(client: Stubs, command: &Value) {
    let command = command.clone();
    tokio::spawn(async move {
        let method = command["method"].as_str().unwrap_or_default();
        let response = client.unary(method, &command["request"], command["timeout"].as_f64()).await;
        answer(&command["id"], "response", response);
    });
}

fn act(client: Sdk, command: &Value) {
    let command = command.clone();
    tokio::spawn(async move {
        let text = |key: &str| command[key].as_str().unwrap_or_default();
        let result = client.act(text("verb"), text("type"), text("callId"), &command["args"]).await;
        answer(&command["id"], "result", result);
    });
}
