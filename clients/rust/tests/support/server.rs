//! A real server, on an address and a database that outlive its process.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use ringline::Client;

static STARTED: AtomicU32 = AtomicU32::new(0);

pub struct Server {
    program: String,
    folder: PathBuf,
    pub address: String,
    process: Child,
}

impl Server {
    /// Starts a server for one test. RINGLINE_SERVER names the program; by default it is the checkout's own.
    pub fn start() -> Self {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/bin/ringline-server");
        let program = env::var("RINGLINE_SERVER").unwrap_or(own.to_owned());
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("ringline-rust-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (process, address) = serve(&program, &folder, "127.0.0.1:0");
        Self { program, folder, address, process }
    }

    /// Kills it, and starts it on the same address and database.
    pub fn restart(&mut self) {
        self.kill();
        (self.process, _) = serve(&self.program, &self.folder, &self.address);
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Returns a client for a user on a device.
    pub fn client(&self, user: &str, device: &str) -> Client {
        Client::builder(format!("http://{}", self.address)).user(user).device(device).build().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn serve(program: &str, folder: &PathBuf, address: &str) -> (Child, String) {
    let mut process = Command::new(program)
        .args(["serve", "--listen", address, "--database", "test.db", "--log-level", "error"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| {
            panic!("there is no server to test against, name one in RINGLINE_SERVER: {program}: {why}")
        });
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("serving on ").nth(1).and_then(|rest| rest.split(' ').next());
    let address = address.unwrap_or_else(|| panic!("it said {line:?}")).trim().to_owned();
    (process, address)
}
