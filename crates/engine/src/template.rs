//! A model's own chat template: messages in, prompt out.
//!
//! [`ChatTemplate`] runs the Jinja text that a GGUF file carries, with what Hugging Face's `apply_chat_template` offers
//! beside the language: `raise_exception`, `strftime_now`, `tojson`, Python's string methods. It never tokenises.

use longshore_core::call::{Chat, Message};
use minijinja::{
    Environment, ErrorKind as JinjaKind, Value, context,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};
use serde_json::json;

use crate::{Error, ErrorKind};

/// Instructions that one rendering may execute: a template with an endless loop must end. A conversation of a thousand
/// turns takes some hundred thousand.
const FUEL: u64 = 20_000_000;

/// A compiled chat template.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Compiles `source`; `bos` and `eos` are what the template calls `bos_token` and `eos_token`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] with the template's line when it does not compile.
    pub(crate) fn new(source: &str, bos: String, eos: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(broken)?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        environment.add_template_owned(NAME, source.to_owned()).map_err(broken)?;
        Ok(Self { environment, bos, eos })
    }

    /// The prompt that asks for the next turn after `messages`. Of the chat's unknown fields, `tools` and
    /// `chat_template_kwargs` are handed to the template, as vLLM and llama.cpp do.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] with the template's own words when it refuses the conversation.
    pub(crate) fn render(&self, messages: &[Message], chat: &Chat) -> Result<String, Error> {
        let messages: Vec<_> = messages.iter().map(plain).collect();
        let own = context! {
            messages => value(&messages),
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
            tools => chat.extra.get("tools").map(value),
        };
        let given = chat.extra.get("chat_template_kwargs").map(value).unwrap_or_default();
        let template = self.environment.get_template(NAME).map_err(broken)?;
        template.render(context! { ..own, ..given }).map_err(|error| match error.detail() {
            Some(detail) if error.kind() == JinjaKind::InvalidOperation => {
                Error::new(ErrorKind::InvalidRequest, format!("the model's chat template refuses: {detail}"))
            }
            _ => broken(error),
        })
    }
}

const NAME: &str = "chat";

/// A message as templates expect it: text parts joined, and everything else beside it. A message without content (tool
/// calls alone) has an empty one: most templates add it to other text, which they cannot do with nothing.
fn plain(message: &Message) -> serde_json::Value {
    let mut fields = message.extra.clone();
    fields.insert("role".into(), json!(message.role));
    fields.insert("content".into(), message.text().into());
    fields.into()
}

fn value(serializable: impl serde::Serialize) -> Value {
    Value::from(Serde(serializable))
}

fn raise_exception(message: String) -> Result<String, minijinja::Error> {
    Err(minijinja::Error::new(JinjaKind::InvalidOperation, message))
}

/// The time now, in UTC: a prompt must not depend on where the server stands.
fn strftime_now(format: &str) -> Result<String, minijinja::Error> {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::strtime::format(format, &now)
        .map_err(|error| minijinja::Error::new(JinjaKind::InvalidOperation, error.to_string()))
}

/// Jinja's own `tojson` escapes for HTML, which models were not trained on; Python's `json.dumps` does not.
fn tojson(value: &Value, options: Kwargs) -> Result<String, minijinja::Error> {
    let failed = |error: serde_json::Error| minijinja::Error::new(JinjaKind::InvalidOperation, error.to_string());
    let indent: Option<usize> = options.get("indent")?;
    // Accepted for the sake of templates that write them; they are what happens anyway.
    let _: (Option<bool>, Option<Value>) = (options.get("ensure_ascii")?, options.get("separators")?);
    let mut out = Vec::new();
    match indent {
        Some(width) => {
            let indent = " ".repeat(width.min(16));
            let pretty = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
            serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut out, pretty))
                .map_err(failed)?;
        }
        None => serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut out, Spaced))
            .map_err(failed)?,
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Python's default separators: `, ` and `: `.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

fn broken(error: minijinja::Error) -> Error {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    Error::new(ErrorKind::InvalidRequest, format!("the model's chat template fails{line}: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(fields: serde_json::Value) -> Chat {
        let serde_json::Value::Object(extra) = fields else { panic!("an object") };
        Chat { messages: vec![Message::new("user", "a <b> 'c'")], extra, ..Chat::default() }
    }

    fn render(source: &str, fields: serde_json::Value) -> Result<String, Error> {
        let chat = chat(fields);
        ChatTemplate::new(source, "<s>".into(), "</s>".into())?.render(&chat.messages, &chat)
    }

    #[test]
    fn templates_have_what_they_expect() {
        let check = |source, expected: &str| assert_eq!(render(source, json!({})).unwrap(), expected, "{source}");
        check(
            "{{ bos_token }}{% for m in messages %}{{ m['role'] + ': ' + m.content }}{% endfor %}",
            "<s>user: a <b> 'c'",
        );
        check("{% for m in messages %}\n  {%- if loop.first %}x{% endif %}\n{% endfor %}", "x");
        check("{{ {'a': [1, 'é<']} | tojson }}", r#"{"a": [1, "é<"]}"#);
        check("{{ [1] | tojson(indent=2) }}", "[\n  1\n]");
        check("{{ ' x '.strip() }}{{ 'A'.lower() }}{{ messages[0].content.split('<')[0] }}", "xaa ");
        check("{{ tools is none }}{{ messages[-1].role }}", "Trueuser");
        check("{% if strftime_now('%Y') | int > 2024 %}now{% endif %}", "now");
        check(
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
        );
    }

    #[test]
    fn tools_and_options_reach_the_template() {
        let fields = json!({"tools": [{"name": "f"}], "chat_template_kwargs": {"enable_thinking": false}});
        assert_eq!(render("{{ tools[0].name }} {{ enable_thinking }}", fields).unwrap(), "f False");
    }

    #[test]
    fn a_message_of_tool_calls_alone_has_empty_content() {
        let calls = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c1"}]});
        let messages = [serde_json::from_value::<Message>(calls).unwrap()];
        let source = "{% for m in messages %}{{ m.role + ':' + m.content }}{{ m.tool_calls[0].id }}{% endfor %}";
        let template = ChatTemplate::new(source, String::new(), String::new()).unwrap();
        assert_eq!(template.render(&messages, &Chat::default()).unwrap(), "assistant:c1");
    }

    #[test]
    fn a_template_may_refuse_fail_and_not_run_away() {
        let check = |source, expected: &str| {
            let error = render(source, json!({})).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.message().contains(expected), "{error} should say {expected}");
        };
        check("{{ raise_exception('roles must alternate') }}", "refuses: roles must alternate");
        check("a\n{% if %}", "line 2");
        check("{{ messages.nothing.at.all }}", "undefined");
        check("{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", "fuel");
    }
}
