//! The options of a call as a JSON object, both ways.

use serde_json::{Map, Value};

use crate::{Parameter, Parameters};

/// Options from JSON. What is no scalar (MLServer has headers there) becomes its JSON text; nulls are left out.
pub(super) fn parameters(object: Option<Map<String, Value>>) -> Parameters {
    object.into_iter().flatten().filter_map(|(name, value)| Some((name, parameter(value)?))).collect()
}

fn parameter(value: Value) -> Option<Parameter> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => Parameter::Bool(value),
        Value::String(value) => Parameter::String(value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Parameter::Int(value),
            (None, Some(value)) => Parameter::Uint(value),
            (None, None) => Parameter::Float(number.as_f64()?),
        },
        other => Parameter::String(other.to_string()),
    })
}

/// Options as JSON.
pub(super) fn object(parameters: &Parameters) -> Map<String, Value> {
    parameters.iter().map(|(name, value)| (name.clone(), value_of(value))).collect()
}

pub(super) fn value_of(parameter: &Parameter) -> Value {
    match parameter {
        Parameter::Bool(value) => (*value).into(),
        Parameter::Int(value) => (*value).into(),
        Parameter::Uint(value) => (*value).into(),
        Parameter::Float(value) => (*value).into(),
        Parameter::String(value) => value.as_str().into(),
    }
}
