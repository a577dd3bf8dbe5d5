//! Triton's model configuration, between its message and the JSON of its REST API: by its descriptor, since nothing
//! here needs to know its hundred fields.

use std::sync::OnceLock;

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value, json};

use crate::Error;

const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/model_config.bin"));

/// The configuration in a reply of `ModelConfig`.
///
/// # Errors
/// `Protocol` when the message makes no sense.
pub(super) fn read(message: Bytes) -> Result<Value, Error> {
    let wrong = |error: &dyn std::error::Error| Error::protocol(format!("the model's configuration: {error}"));
    let response = DynamicMessage::decode(response()?, message).map_err(|error| wrong(&error))?;
    let options =
        SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false).skip_default_fields(false);
    let mut value =
        response.serialize_with_options(serde_json::value::Serializer, &options).map_err(|error| wrong(&error))?;
    Ok(value.get_mut("config").map(Value::take).unwrap_or_default())
}

/// A reply of `ModelConfig` for a configuration in any server's words: fields of Triton's configuration are themselves,
/// others ride as `parameters`, in JSON.
///
/// # Errors
/// None in practice: the descriptor is built in.
pub(super) fn write(config: &Value, model: &str) -> Result<Vec<u8>, Error> {
    let mut known = Map::new();
    let mut others = Map::new();
    let descriptor = response()?.get_field_by_name("config").and_then(|field| field.kind().as_message().cloned());
    for (name, value) in config.as_object().into_iter().flatten() {
        let fits = descriptor.as_ref().is_some_and(|config| {
            let one = json!({name.as_str(): value});
            config.get_field_by_name(name).is_some() && message(config.clone(), &one).is_some()
        });
        (if fits { &mut known } else { &mut others }).insert(name.clone(), value.clone());
    }
    if !config.is_object() && !config.is_null() {
        others.insert("config".into(), config.clone());
    }
    known.entry("name").or_insert_with(|| model.into());
    if !others.is_empty() {
        let parameters = known.entry("parameters").or_insert_with(|| json!({}));
        for (name, value) in others {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            parameters[name] = json!({"string_value": text});
        }
    }
    let written = message(response()?, &json!({"config": known}));
    Ok(written.ok_or_else(|| Error::protocol("the configuration cannot be written"))?.encode_to_vec())
}

fn message(descriptor: MessageDescriptor, value: &Value) -> Option<DynamicMessage> {
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    DynamicMessage::deserialize_with_options(descriptor, value, &options).ok()
}

fn response() -> Result<MessageDescriptor, Error> {
    static RESPONSE: OnceLock<Option<MessageDescriptor>> = OnceLock::new();
    RESPONSE
        .get_or_init(|| DescriptorPool::decode(DESCRIPTOR).ok()?.get_message_by_name("inference.ModelConfigResponse"))
        .clone()
        .ok_or_else(|| Error::protocol("the descriptor of the model configuration is broken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: Value, part: Value) {
        let read = read(write(&config, "m").unwrap().into()).unwrap();
        for (name, value) in part.as_object().unwrap() {
            assert_eq!(&read[name], value, "{name} of {config}");
        }
    }

    #[test]
    fn tritons_words_survive() {
        let config = json!({
            "name": "echo", "backend": "python", "max_batch_size": 8,
            "version_policy": {"latest": {"num_versions": 1}},
            "input": [{"name": "IN", "data_type": "TYPE_FP32", "format": "FORMAT_NONE", "dims": [-1, 9007199254740993_i64],
                "is_shape_tensor": false, "allow_ragged_batch": false, "optional": true, "is_non_linear_format_io": false}],
            "dynamic_batching": {"preferred_batch_size": [4], "max_queue_delay_microseconds": 100,
                "preserve_ordering": false, "priority_levels": 0, "default_priority_level": 0, "priority_queue_policy": {}},
            "parameters": {"a": {"string_value": "b"}},
        });
        check(config.clone(), config);
    }

    #[test]
    fn other_words_ride_as_parameters() {
        check(
            json!({"ctx": 2048, "template": "x", "input": "text", "dims": [1]}),
            json!({
                "name": "m",
                "parameters": {
                    "ctx": {"string_value": "2048"}, "template": {"string_value": "x"},
                    "input": {"string_value": "text"}, "dims": {"string_value": "[1]"},
                },
            }),
        );
        check(json!("free text"), json!({"parameters": {"config": {"string_value": "free text"}}}));
        check(Value::Null, json!({"name": "m", "parameters": {}}));
    }
}
