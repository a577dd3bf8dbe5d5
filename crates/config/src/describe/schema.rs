//! The JSON Schema of the configuration file, for editors that complete and check: [`json_schema`].

use serde_json::{Map, Value as Json, json};

use crate::setting::{Field, Kind, SectionKind, View};

/// The schema, in draft 2020-12. It cannot tell contradictions between settings, nor the ranges of durations and sizes:
/// `longshore config check` does.
pub fn json_schema() -> Json {
    let mut schema = kind(&crate::root_kind());
    if let Json::Object(members) = &mut schema {
        members.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        members.insert("title".into(), "Longshore configuration".into());
    }
    schema
}

fn kind(kind: &Kind) -> Json {
    match kind {
        Kind::Section(section) => object(section),
        Kind::List(item) => json!({ "type": ["array", "null"], "items": self::kind(item) }),
        Kind::Optional(inner) => nullable(self::kind(inner)),
        Kind::Scalar(scalar) => scalar.schema.clone(),
    }
}

/// A section may be empty, since all lines in it may be commented out.
fn object(section: &SectionKind) -> Json {
    let required: Vec<&str> = section.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let properties: Map<String, Json> =
        section.fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let types = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    let mut schema = json!({
        "type": types,
        "description": section.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    if section.secret {
        schema["minProperties"] = 1.into();
        schema["maxProperties"] = 1.into();
    }
    schema
}

fn property(field: &Field) -> Json {
    let mut schema = kind(&field.kind);
    let Json::Object(members) = &mut schema else { return schema };
    let mut description = field.doc.clone();
    match &field.range {
        Some((low, high)) if low.is_number() => {
            members.insert("minimum".into(), low.clone());
            members.insert("maximum".into(), high.clone());
        }
        Some(_) => description.push_str(&format!(" From {}.", super::range(field).unwrap_or_default())),
        None => {}
    }
    members.insert("description".into(), description.into());
    match &field.default {
        View::Leaf(value) if !field.required && !value.is_null() => {
            members.insert("default".into(), value.clone());
        }
        _ => {}
    }
    schema
}

fn nullable(mut schema: Json) -> Json {
    let types = match schema["type"].take() {
        Json::Array(types) => types,
        one => vec![one],
    };
    let others = types.into_iter().filter(|name| name != "null");
    schema["type"] = others.chain([Json::from("null")]).collect();
    if let Some(words) = schema.get_mut("enum").and_then(Json::as_array_mut) {
        words.push(Json::Null);
    }
    schema
}
