//! The contract's messages in their canonical JSON form.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

/// What a driver cannot do, other than what the server refuses.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

static CONTRACT: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let described: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ringline.binpb"));
    DescriptorPool::decode(described).expect("protoc wrote it")
});

fn described(name: &str) -> MessageDescriptor {
    CONTRACT.get_message_by_name(&format!("ringline.v1.{name}")).expect("the contract has this message")
}

/// Returns the message of this name with these fields. Only those in `known` may be set, if any are named.
pub fn parsed<M: Message + Default>(name: &str, fields: &Value, known: &[&str]) -> Result<M, Failure> {
    if fields.is_null() {
        return Ok(M::default());
    }
    let message = DynamicMessage::deserialize(described(name), fields)?;
    if let Some((unknown, _)) = message.fields().find(|(field, _)| !known.is_empty() && !known.contains(&field.name()))
    {
        return Err(format!("the SDK has no option for {}", unknown.name()).into());
    }
    Ok(message.transcode_to()?)
}

/// Returns the fields of the message of this name.
pub fn told(name: &str, message: &impl Message) -> Result<Value, Failure> {
    let told = DynamicMessage::decode(described(name), message.encode_to_vec().as_slice())?;
    Ok(serde_json::to_value(told)?)
}
