//! The object `options`, both ways: what everybody knows under Ollama's names, and what rides along.

use serde_json::{Map, Value};

use crate::{Error, call::Sampling, dialect::fields::Fields};

/// Options that the OpenAI family has under the same name beside its messages.
const SHARED: [&str; 6] =
    ["presence_penalty", "frequency_penalty", "repeat_penalty", "repeat_last_n", "min_p", "typical_p"];

/// Takes `options` out of a request's fields. Those that others know too become fields of their own; the rest stays
/// behind as `options`.
pub(super) fn take(fields: &mut Fields) -> Result<Sampling, Error> {
    let mut options = Fields(fields.take::<Map<String, Value>>("options")?.unwrap_or_default());
    // Negative: as many as it takes, or as fit.
    let limit = options.0.get("num_predict").and_then(Value::as_f64);
    if limit.is_none_or(|limit| limit >= 0.0)
        && let Some(limit) = options.take::<u32>("num_predict")?
    {
        options.0.insert("max_tokens".into(), limit.into());
    }
    if options.0.get("seed").is_some_and(Value::is_f64) {
        let seed: Option<f64> = options.take("seed")?;
        options.0.insert("seed".into(), (seed.unwrap_or_default() as i64).into());
    }
    let sampling = options.take_sampling()?;
    for name in SHARED {
        if let Some(value) = options.0.shift_remove(name).filter(|value| !value.is_null()) {
            fields.0.insert(name.into(), value);
        }
    }
    if !options.0.is_empty() {
        fields.0.insert("options".into(), options.0.into());
    }
    Ok(sampling)
}

/// The other way of [`take`]: puts `options` into a request's body, and takes what belongs there out of `extra`.
pub(super) fn put(sampling: &Sampling, extra: &mut Map<String, Value>, body: &mut Map<String, Value>) {
    let mut options = match extra.shift_remove("options") {
        Some(Value::Object(options)) => options,
        _ => Map::new(),
    };
    for name in SHARED {
        if let Some(value) = extra.shift_remove(name) {
            options.insert(name.into(), value);
        }
    }
    let pairs = [
        ("temperature", sampling.temperature.map(Value::from)),
        ("top_p", sampling.top_p.map(Value::from)),
        ("top_k", sampling.top_k.map(Value::from)),
        ("seed", sampling.seed.map(Value::from)),
        ("num_predict", sampling.max_tokens.map(Value::from)),
        ("stop", (!sampling.stop.is_empty()).then(|| sampling.stop.clone().into())),
        ("ignore_eos", sampling.ignore_eos.map(Value::from)),
    ];
    options.extend(pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    if !options.is_empty() {
        body.insert("options".into(), options.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_read_and_written_under_ollamas_names() {
        let check = |options: Value, sampling: Sampling, rest: Value| {
            let mut fields = Fields::read(json!({"options": options}).to_string().as_bytes()).unwrap();
            assert_eq!(take(&mut fields).unwrap(), sampling);
            assert_eq!(Value::from(fields.0.clone()), rest);
            let mut body = Map::new();
            put(&sampling, &mut fields.0, &mut body);
            assert_eq!((body["options"].clone(), fields.0), (options, Map::new()));
        };
        let sampling = Sampling { max_tokens: Some(5), temperature: Some(0.5), ..Sampling::default() };
        check(json!({"num_predict": 5, "temperature": 0.5}), sampling, json!({}));
        let stop = Sampling { stop: vec!["\n".into()], ..Sampling::default() };
        check(json!({"stop": ["\n"], "num_ctx": 4096}), stop, json!({"options": {"num_ctx": 4096}}));
        let endless = json!({"options": {"num_predict": -1}, "min_p": 0.1});
        check(json!({"num_predict": -1, "min_p": 0.1}), Sampling::default(), endless);
    }
}
