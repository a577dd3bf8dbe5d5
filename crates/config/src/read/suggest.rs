//! "Did you mean …?": the nearest name to one that does not exist.

use strsim::damerau_levenshtein;

use crate::origin::Origin;
use crate::setting::{Field, Kind};

/// Longer words are not misspelt settings, and comparing them costs time.
const MAX_LENGTH: usize = 80;

/// The setting that `key` in the section at `path` was probably meant to be.
pub(crate) fn setting(key: &str, path: &str, siblings: &[Field], origin: &Origin) -> Option<String> {
    match origin {
        Origin::Env { variable } => {
            nearest(variable, &leaves(path).iter().map(|leaf| variable_name(leaf)).collect::<Vec<_>>())
                .map(|name| format!("did you mean {name}?"))
        }
        Origin::Flag { .. } => {
            nearest(&super::join(path, key), &leaves(path)).map(|name| format!("did you mean \"{name}\"?"))
        }
        _ => {
            let names: Vec<String> = siblings.iter().map(|field| field.name.to_owned()).collect();
            let known = || format!("known here: {}", names.join(", "));
            let hint = nearest(key, &names)
                .map(|name| format!("did you mean \"{name}\"?"))
                .or_else(|| elsewhere(key, path).map(|path| format!("did you mean \"{path}\"?")));
            Some(hint.unwrap_or_else(known))
        }
    }
}

/// The word that was probably meant, and all the words there are.
pub(crate) fn choice(text: &str, choices: &[(&str, &str)]) -> Option<String> {
    let names: Vec<String> = choices.iter().map(|(name, _)| (*name).to_owned()).collect();
    nearest(&text.to_lowercase(), &names).map(|name| format!("did you mean \"{name}\"?"))
}

/// The environment variable of a setting: `servers[0].rest` is `LONGSHORE_SERVERS__0__REST`.
pub(crate) fn variable_name(path: &str) -> String {
    let nested = path.replace('[', "__").replace(']', "").replace('.', "__");
    format!("{}{}", super::overlay::PREFIX, nested.to_uppercase())
}

/// The nearest name that is near enough: a third of the letters may be wrong, and one always.
fn nearest(wanted: &str, names: &[String]) -> Option<String> {
    if wanted.len() > MAX_LENGTH {
        return None;
    }
    let close = |name: &&String| near_enough(wanted, name);
    names.iter().filter(close).min_by_key(|name| damerau_levenshtein(wanted, name)).cloned()
}

fn near_enough(wanted: &str, name: &str) -> bool {
    let common = super::overlay::PREFIX;
    let letters = name.strip_prefix(common).unwrap_or(name).chars().count();
    damerau_levenshtein(wanted, name) <= (letters / 3).max(1)
}

/// A setting of exactly this name in another section.
fn elsewhere(key: &str, path: &str) -> Option<String> {
    let is_named = |leaf: &String| leaf.rsplit('.').next() == Some(key);
    leaves(path).into_iter().find(|leaf| is_named(leaf))
}

/// The path of every setting that is one value. Inside a list, the item that `path` speaks of stands for all.
fn leaves(path: &str) -> Vec<String> {
    let index = path.split(['[', ']']).nth(1).unwrap_or("0");
    let mut found = Vec::new();
    collect(&crate::root_kind(), "", index, &mut found);
    found
}

fn collect(kind: &Kind, path: &str, index: &str, found: &mut Vec<String>) {
    match kind.inner() {
        Kind::Section(section) => {
            section.fields.iter().for_each(|field| collect(&field.kind, &super::join(path, field.name), index, found));
        }
        Kind::List(item) => collect(item, &format!("{path}[{index}]"), index, found),
        _ => found.push(path.to_owned()),
    }
}
