//! Tool calls: whether a model calls a tool that a chat offers, which one, and with which arguments.
//!
//! Arguments are made from the tool's JSON schema and are valid against it as far as types, `required`, `enum`, `const`,
//! bounds and local references go. `pattern` and `format` are not looked at.

use longshore_core::{Error, Sent, call::Chat};
use serde_json::{Map, Value, json};

use super::{draw::Draw, text::word};
use crate::config::ToolUse;

/// A tool call that is decided, before any of it is said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall {
    id: String,
    name: String,
    /// The arguments' JSON text, cut as a model's tokens would.
    pieces: Vec<String>,
}

/// The call with which a model answers, if it does.
///
/// # Errors
/// `InvalidRequest` where the tools are not what OpenAI's API has, or `tool_choice` names none of them.
pub(crate) fn call_for(chat: &Chat, wants: ToolUse, mut draw: Draw) -> Result<Option<ToolCall>, Error> {
    let tools = offered(chat)?;
    let choice = Choice::of(chat, &tools)?;
    let Some((name, schema)) = choice.pick(&tools, &mut draw) else { return Ok(None) };
    let calls = match wants {
        ToolUse::Never => false,
        _ if choice != Choice::Auto => true,
        ToolUse::Always => true,
        ToolUse::First => !answers_a_tool(chat),
        ToolUse::Share(share) => draw.uniform() < share,
    };
    let arguments = Maker { root: schema, draw: &mut draw }.value(schema, 0);
    let text = if arguments.is_object() { arguments.to_string() } else { "{}".to_owned() };
    let letters: Vec<char> = text.chars().collect();
    let pieces = letters.chunks(PIECE).map(|piece| piece.iter().collect()).collect();
    let id = format!("call_{:016x}", draw.next());
    Ok(calls.then(|| ToolCall { id, name: name.to_owned(), pieces }))
}

/// Letters of arguments that a token holds.
const PIECE: usize = 4;

impl ToolCall {
    /// Tokens that it takes: one for its name, and those of the arguments.
    pub(crate) fn steps(&self) -> u32 {
        u32::try_from(self.pieces.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// What a token adds to the arguments.
    pub(crate) fn piece(&self, step: u32) -> &str {
        let piece = (step as usize).checked_sub(1).and_then(|at| self.pieces.get(at));
        piece.map_or("", String::as_str)
    }

    /// A piece of a stream, in OpenAI's form; the first one says what is called.
    pub(crate) fn delta(&self, first: bool, arguments: &str) -> Value {
        if !first {
            return json!([{"index": 0, "function": {"arguments": arguments}}]);
        }
        let function = json!({"name": self.name, "arguments": arguments});
        json!([{"index": 0, "id": self.id, "type": "function", "function": function}])
    }

    /// The call in an answer of one piece, in OpenAI's form.
    pub(crate) fn whole(&self, arguments: &str) -> Value {
        json!([{"id": self.id, "type": "function", "function": {"name": self.name, "arguments": arguments}}])
    }
}

/// A tool's name and the schema of its arguments.
type Tool<'a> = (&'a str, &'a Value);

fn offered(chat: &Chat) -> Result<Vec<Tool<'_>>, Error> {
    let tools = match chat.extra.get("tools") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(tools) => tools.as_array().ok_or_else(|| wrong("`tools` is no list".into()))?,
    };
    let tool = |(position, tool): (usize, &'_ Value)| {
        let function = &tool["function"];
        let name = function["name"].as_str().filter(|name| !name.is_empty());
        name.map(|_| position).ok_or_else(|| wrong(format!("`tools[{position}].function.name` is missing")))
    };
    let positions = tools.iter().enumerate().map(tool).collect::<Result<Vec<_>, _>>()?;
    let named = |position: usize| {
        let function = &tools[position]["function"];
        (function["name"].as_str().unwrap_or_default(), &function["parameters"])
    };
    Ok(positions.into_iter().map(named).collect())
}

/// What the caller wants of the tools.
#[derive(Debug, PartialEq)]
enum Choice<'a> {
    None,
    Auto,
    Required,
    Named(&'a str),
}

impl<'a> Choice<'a> {
    fn of(chat: &'a Chat, tools: &[Tool<'_>]) -> Result<Self, Error> {
        let choice = chat.extra.get("tool_choice").unwrap_or(&Value::Null);
        match choice.as_str() {
            Some("none") => return Ok(Self::None),
            Some("auto") => return Ok(Self::Auto),
            Some("required") => return Ok(Self::Required),
            _ if choice.is_null() => return Ok(Self::Auto),
            _ => {}
        }
        let name = choice["function"]["name"].as_str().ok_or_else(|| {
            wrong(format!("`tool_choice` is none, auto, required or the name of a function, not {choice}"))
        })?;
        if tools.iter().any(|(known, _)| *known == name) {
            return Ok(Self::Named(name));
        }
        let known: Vec<_> = tools.iter().map(|(name, _)| *name).collect();
        Err(wrong(format!("`tool_choice` names `{name}`; the tools are: {}", known.join(", "))))
    }

    fn pick<'t>(&self, tools: &[Tool<'t>], draw: &mut Draw) -> Option<Tool<'t>> {
        match self {
            Self::None => None,
            _ if tools.is_empty() => None,
            Self::Named(wanted) => tools.iter().find(|(name, _)| name == wanted).copied(),
            Self::Auto | Self::Required => tools.get(draw.below(tools.len())).copied(),
        }
    }
}

/// Whether a tool has answered since the user spoke last.
fn answers_a_tool(chat: &Chat) -> bool {
    let since = chat.messages.iter().rev().take_while(|message| message.role != "user");
    since.into_iter().any(|message| message.role == "tool")
}

fn wrong(message: String) -> Error {
    Error::invalid(message).sent(Sent::No)
}

/// Makes values that fit a schema.
struct Maker<'a> {
    /// Where references begin.
    root: &'a Value,
    draw: &'a mut Draw,
}

/// Schemas nest as deep as they like, and may refer to themselves.
const DEEPEST: u32 = 16;
/// Elements and letters that a schema can make us say.
const LONGEST: usize = 256;

impl<'a> Maker<'a> {
    fn value(&mut self, schema: &'a Value, depth: u32) -> Value {
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(target) = schema["$ref"].as_str().and_then(|target| self.root.pointer(target.strip_prefix('#')?)) {
            return self.value(target, depth + 1);
        }
        if let Some(one) = schema.get("const") {
            return one.clone();
        }
        if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
            return values[self.draw.below(values.len())].clone();
        }
        let nested = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema[*name].as_array()?.first());
        if let Some(first) = nested {
            return self.value(first, depth + 1);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "integer" => self.integer(schema),
            "number" => self.number(schema),
            "boolean" => self.draw.uniform().lt(&0.5).into(),
            "null" => Value::Null,
            _ => self.string(schema).into(),
        }
    }

    /// Everything that is required, and of the rest about half; none of it far down, where it may be without end.
    fn object(&mut self, schema: &'a Value, depth: u32) -> Value {
        let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
        let mut object = Map::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let wanted = self.draw.uniform() < 0.5 && depth < 4;
            if required(name) || wanted {
                object.insert(name.clone(), self.value(schema, depth + 1));
            }
        }
        object.into()
    }

    fn array(&mut self, schema: &'a Value, depth: u32) -> Value {
        let bound = |name: &str| schema[name].as_u64().and_then(|count| usize::try_from(count).ok());
        let least = bound("minItems").unwrap_or(usize::from(depth < 4)).min(LONGEST);
        let count = (least + self.draw.below(2)).min(bound("maxItems").unwrap_or(LONGEST)).max(least);
        (0..count).map(|_| self.value(&schema["items"], depth + 1)).collect::<Vec<_>>().into()
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let (low, high) = bounds(schema, 1.0);
        let step = schema["multipleOf"].as_f64().filter(|step| *step >= 1.0).unwrap_or(1.0);
        let (first, last) = ((low / step).ceil(), (high / step).floor());
        let steps = (last - first).clamp(0.0, 1e6) as usize;
        (((first + self.draw.below(steps + 1) as f64) * step) as i64).into()
    }

    fn number(&mut self, schema: &Value) -> Value {
        let (low, high) = bounds(schema, 1e-3);
        // Two digits read better than sixteen.
        let number = ((low + (high - low) * self.draw.uniform()) * 100.0).round() / 100.0;
        number.clamp(low, high).into()
    }

    fn string(&mut self, schema: &Value) -> String {
        let bound = |name: &str| schema[name].as_u64().and_then(|count| usize::try_from(count).ok());
        let mut text = word(self.draw).to_owned();
        while text.len() < bound("minLength").unwrap_or(0).min(LONGEST) {
            text = format!("{text} {}", word(self.draw));
        }
        // The words have one byte a letter.
        text.truncate(bound("maxLength").unwrap_or(LONGEST));
        text
    }
}

/// The type that is named, or that the other words mean.
fn kind(schema: &Value) -> &str {
    let named = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
        kind => kind.as_str(),
    };
    let meant = || if schema["properties"].is_object() { "object" } else { "string" };
    named.unwrap_or_else(meant)
}

/// The least and the largest number; exclusive ones are `apart` away from what is excluded.
fn bounds(schema: &Value, apart: f64) -> (f64, f64) {
    let bound = |inclusive: &str, exclusive: &str, apart: f64| {
        schema[inclusive].as_f64().or_else(|| schema[exclusive].as_f64().map(|bound| bound + apart))
    };
    let low = bound("minimum", "exclusiveMinimum", apart);
    let high = bound("maximum", "exclusiveMaximum", -apart);
    let low = low.unwrap_or_else(|| high.map_or(1.0, |high| high.min(1.0)));
    (low, high.unwrap_or(low + 99.0).max(low))
}

#[cfg(test)]
mod tests {
    use longshore_core::call::Message;

    use super::*;

    fn chat(tools: Value, choice: Value, roles: &[&str]) -> Chat {
        let messages = roles.iter().map(|role| Message::new(*role, "text")).collect();
        let extra = [("tools".to_owned(), tools), ("tool_choice".to_owned(), choice)].into_iter().collect();
        Chat { messages, extra, ..Chat::default() }
    }

    fn tool(name: &str) -> Value {
        json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}})
    }

    fn called(chat: &Chat, wants: ToolUse, index: u64) -> Option<String> {
        call_for(chat, wants, Draw::new(1, "tool", index, 0)).unwrap().map(|call| call.name)
    }

    #[test]
    fn tools_are_called_when_the_model_would_and_the_caller_lets_it() {
        let check = |wants: ToolUse, choice: Value, roles: &[&str], expected: bool| {
            let chat = chat(json!([tool("f")]), choice, roles);
            assert_eq!(called(&chat, wants, 0).is_some(), expected, "{wants:?} {chat:?}");
        };
        check(ToolUse::First, Value::Null, &["user"], true);
        check(ToolUse::First, json!("auto"), &["user", "assistant", "tool"], false);
        check(ToolUse::First, json!("auto"), &["user", "assistant", "tool", "assistant", "user"], true);
        check(ToolUse::First, json!("required"), &["user", "assistant", "tool"], true);
        check(ToolUse::First, json!("none"), &["user"], false);
        check(ToolUse::Always, Value::Null, &["user", "assistant", "tool"], true);
        check(ToolUse::Never, json!("required"), &["user"], false);
        check(ToolUse::Share(0.0), Value::Null, &["user"], false);
        check(ToolUse::Share(1.0), Value::Null, &["user", "assistant", "tool"], true);
        assert_eq!(called(&chat(json!([]), Value::Null, &["user"]), ToolUse::Always, 0), None);
        assert_eq!(called(&Chat::default(), ToolUse::Always, 0), None);
    }

    #[test]
    fn a_share_is_a_share_and_a_named_tool_is_the_one() {
        let both = chat(json!([tool("f"), tool("g")]), Value::Null, &["user"]);
        let names: Vec<_> = (0..4000).filter_map(|index| called(&both, ToolUse::Share(0.3), index)).collect();
        // Within four standard deviations.
        assert!(names.len().abs_diff(1200) < 116, "{}", names.len());
        assert!(names.iter().filter(|name| *name == "g").count().abs_diff(600) < 100);
        let named = chat(json!([tool("f"), tool("g")]), json!({"function": {"name": "g"}}), &["user"]);
        assert!((0..20).all(|index| called(&named, ToolUse::First, index).unwrap() == "g"));
    }

    #[test]
    fn wrong_tools_are_refused_by_name() {
        let check = |tools: Value, choice: Value, word: &str| {
            let error = call_for(&chat(tools, choice, &["user"]), ToolUse::First, Draw::new(1, "", 0, 0)).unwrap_err();
            assert!(error.message().contains(word), "{error}");
        };
        check(json!("f"), Value::Null, "no list");
        check(json!([tool("f"), {"function": {}}]), Value::Null, "tools[1].function.name");
        check(json!([tool("f")]), json!("sometimes"), "sometimes");
        check(json!([tool("f")]), json!({"function": {"name": "h"}}), "the tools are: f");
    }

    #[test]
    fn arguments_fit_their_schema() {
        let schemas = [
            json!({"type": "object"}),
            json!({"type": "object", "required": ["a", "b", "c", "d"], "properties": {
                "a": {"type": "string", "minLength": 9, "maxLength": 12}, "b": {"type": "integer", "minimum": 3, "maximum": 5},
                "c": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, "d": {"type": "boolean"},
                "e": {"enum": ["x", 7, null]}, "f": {"const": {"k": 1}}, "g": {"type": ["null", "integer"]}}}),
            json!({"type": "object", "required": ["list", "node", "step", "down"], "properties": {
                "list": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                "node": {"$ref": "#/$defs/node"}, "step": {"type": "integer", "multipleOf": 5, "minimum": 1},
                "down": {"type": "integer", "maximum": -3}},
                "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "n": {"type": "null"}}}}}),
        ];
        for schema in &schemas {
            let judge = jsonschema::validator_for(schema).unwrap();
            for index in 0..200 {
                let value = Maker { root: schema, draw: &mut Draw::new(5, "arguments", index, 0) }.value(schema, 0);
                assert!(judge.is_valid(&value), "{value} for {schema}");
            }
        }
        // What can be fulfilled by nothing of this world still ends.
        let endless = json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}});
        Maker { root: &endless, draw: &mut Draw::new(5, "", 0, 0) }.value(&endless, 0);
    }
}
