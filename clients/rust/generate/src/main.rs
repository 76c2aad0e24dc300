//! Writes what `proto/` makes: the client's stubs into `<out>/src/gen`, and the service that tests play into
//! `<out>/tests/gen`. `generate PROTO_FOLDER OUT`.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [protos, out] = arguments.as_slice() else {
        return Err("usage: generate PROTO_FOLDER OUT".into());
    };
    let out = Path::new(out);
    write(protos, &out.join("src/gen"), true)?;
    write(protos, &out.join("tests/gen"), false)
}

/// Writes messages and client, or the server alone.
fn write(protos: &str, folder: &Path, client: bool) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let mut config = tonic_prost_build::Config::new();
    config.protoc_executable(protoc_bin_vendored::protoc_bin_path()?);
    let builder = tonic_prost_build::configure()
        .out_dir(folder)
        .build_client(client)
        .build_server(!client)
        .build_transport(false);
    let builder = if client { builder } else { builder.extern_path(".ringline.v1", "::ringline::v1") };
    let files = ["call", "call_service", "error_reason"].map(|name| format!("{protos}/ringline/v1/{name}.proto"));
    let includes = [protos.to_owned(), protoc_bin_vendored::include_path()?.display().to_string()];
    builder.compile_with_config(config, &files, &includes)?;
    Ok(())
}
