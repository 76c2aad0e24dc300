//! Describes the contract for the driver's JSON, and tells it what it is linked with.

use std::{env, error::Error, fs, path::PathBuf, process::Command};

const PROTO: &str = "../../../proto";
const LOCK: &str = "../../../clients/rust/Cargo.lock";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    println!("cargo:rerun-if-changed={LOCK}");
    let described = PathBuf::from(env::var("OUT_DIR")?).join("ringline.binpb");
    let status = Command::new(protoc_bin_vendored::protoc_bin_path()?)
        .arg(format!("--proto_path={PROTO}"))
        .arg(format!("--proto_path={}", protoc_bin_vendored::include_path()?.display()))
        .arg("--include_imports")
        .arg(format!("--descriptor_set_out={}", described.display()))
        .arg("ringline/v1/call_service.proto")
        .status()?;
    if !status.success() {
        return Err(format!("protoc: {status}").into());
    }
    let lock = fs::read_to_string(LOCK)?;
    for (name, variable) in [("tonic", "TONIC_VERSION"), ("prost", "PROST_VERSION")] {
        let head = format!("name = \"{name}\"\nversion = \"");
        let rest = lock.split_once(&head).ok_or(format!("{name} is not locked"))?.1;
        println!("cargo:rustc-env={variable}={}", rest.split('"').next().unwrap_or_default());
    }
    Ok(())
}
