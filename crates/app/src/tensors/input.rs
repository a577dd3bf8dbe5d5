//! What follows `-i` and `-o`: [`Input`] and [`Output`], and how an input becomes a tensor.
//!
//! A file is NumPy's if it begins like one, JSON if it is called `.json`, and else one BYTES element: a picture, say.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use longshore_core::{DataType, Error, Tensor, model::TensorSpec};
use longshore_desk::infer::npy;
use serde_json::Value;

/// An input as it was written and read.
#[derive(Debug, PartialEq)]
pub(crate) struct Input {
    /// The tensor's name.
    pub(crate) name: String,
    /// The datatype, where one was written.
    pub(crate) datatype: Option<DataType>,
    /// The elements.
    pub(crate) data: Data,
}

/// Where an input's elements are.
#[derive(Debug, PartialEq)]
pub(crate) enum Data {
    /// A value, a list, or nested lists.
    Json(Value),
    /// A tensor already.
    Tensor(Tensor),
}

/// An output that is wanted.
#[derive(Debug, PartialEq)]
pub(crate) struct Output {
    /// The tensor's name.
    pub(crate) name: String,
    /// The file to write it to.
    pub(crate) file: Option<PathBuf>,
}

impl Input {
    /// Understands `NAME=JSON`, `NAME:DATATYPE=JSON`, `NAME=@FILE`; reads the file.
    ///
    /// # Errors
    /// What is wrong with it, with the input's name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (left, value) = text.split_once('=').ok_or_else(|| format!("`{text}`: write it as NAME=VALUE"))?;
        let (name, datatype) = name_and_datatype(left)?;
        let data = match value.strip_prefix('@') {
            Some(path) => file(name, path).map_err(|error| format!("input `{name}`: {path}: {error}"))?,
            None => Data::Json(json(value).map_err(|error| format!("input `{name}`: {error}"))?),
        };
        Ok(Self { name: name.to_owned(), datatype, data })
    }

    /// The tensor: in the datatype that was written, or else `declared`, or else what the elements look like.
    ///
    /// # Errors
    /// `InvalidRequest` when the elements do not fit the datatype, or the nested lists no shape.
    pub(crate) fn into_tensor(self, declared: Option<&TensorSpec>) -> Result<Tensor, Error> {
        match self.data {
            Data::Tensor(tensor) => match self.datatype {
                Some(datatype) if datatype != tensor.datatype() => {
                    Tensor::from_json(&self.name, datatype, tensor.shape().to_vec(), &tensor.to_json()?)
                }
                _ => Ok(tensor),
            },
            Data::Json(value) => {
                let datatype = self.datatype.or(declared.map(|spec| spec.datatype));
                let datatype = match datatype {
                    Some(datatype) => datatype,
                    None => looks_like(&value)
                        .ok_or_else(|| Error::invalid(format!("tensor `{}` mixes kinds of values", self.name)))?,
                };
                let shape = fitted(shape_of(&value), declared.map(|spec| &spec.shape[..]));
                Tensor::from_json(&self.name, datatype, shape, &value)
            }
        }
    }
}

impl Output {
    /// Understands `NAME` and `NAME=@FILE`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            None => (text, None),
            Some((name, path)) => {
                let path = path.strip_prefix('@').filter(|path| !path.is_empty());
                (
                    name,
                    Some(PathBuf::from(path.ok_or_else(|| format!("output `{name}`: write it as {name}=@FILE.npy"))?)),
                )
            }
        };
        if name.is_empty() {
            Err(format!("`{text}`: an output needs a name"))
        } else {
            Ok(Self { name: name.into(), file })
        }
    }
}

/// The last part after a colon is a datatype if it looks like one: names have colons, too (`serving_default_x:0`).
fn name_and_datatype(text: &str) -> Result<(&str, Option<DataType>), String> {
    let (name, datatype) = match text.rsplit_once(':') {
        Some((name, word)) if word.starts_with(|first: char| first.is_ascii_uppercase()) => {
            (name, Some(word.parse::<DataType>().map_err(|error| format!("input `{name}`: {}", error.message()))?))
        }
        _ => (text, None),
    };
    if name.is_empty() { Err(format!("`{text}=`: an input needs a name")) } else { Ok((name, datatype)) }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| {
        let quotes = if text.starts_with(['[', '{', '"']) { "" } else { "; a text needs quotes: '\"…\"'" };
        format!("not JSON: {error}{quotes}")
    })
}

fn file(name: &str, path: &str) -> Result<Data, String> {
    let bytes = Bytes::from(fs::read(path).map_err(|error| error.to_string())?);
    if bytes.starts_with(npy::MAGIC) || path.ends_with(".npy") {
        return npy::read(name, bytes).map(Data::Tensor).map_err(|error| error.to_string());
    }
    if path.ends_with(".json") {
        return serde_json::from_slice(&bytes).map(Data::Json).map_err(|error| format!("not JSON: {error}"));
    }
    Tensor::of_bytes(name, vec![1], [bytes]).map(Data::Tensor).map_err(|error| error.to_string())
}

/// The extents of nested lists, by their first items; whether all are alike shows in the number of elements.
fn shape_of(mut value: &Value) -> Vec<i64> {
    let mut shape = Vec::new();
    while let Value::Array(items) = value {
        shape.push(items.len() as i64);
        match items.first() {
            Some(first) => value = first,
            None => break,
        }
    }
    shape
}

/// Adds extents of 1 where the model declares more dimensions than were written: in front (a batch of one) if that
/// fits, else behind. A single value is a list of one.
fn fitted(shape: Vec<i64>, declared: Option<&[i64]>) -> Vec<i64> {
    let wanted = declared.map_or(1, <[i64]>::len);
    if declared.is_none() && shape.is_empty() {
        return vec![1];
    }
    let missing = vec![1; wanted.saturating_sub(shape.len())];
    let Some(declared) = declared.filter(|_| !missing.is_empty()) else { return shape };
    let fits = |shape: &[i64]| shape.iter().zip(declared).all(|(have, want)| *want < 0 || have == want);
    let candidates = [[missing.clone(), shape.clone()].concat(), [shape.clone(), missing].concat()];
    candidates.into_iter().find(|candidate| fits(candidate)).unwrap_or(shape)
}

/// The datatype that these elements look like; `None` for a mixture, and for what no tensor holds.
fn looks_like(value: &Value) -> Option<DataType> {
    match value {
        Value::Bool(_) => Some(DataType::Bool),
        Value::Number(number) if number.is_f64() => Some(DataType::Fp32),
        Value::Number(_) => Some(DataType::Int64),
        Value::String(_) => Some(DataType::Bytes),
        Value::Array(items) => {
            let mut kinds = items.iter().map(looks_like);
            let Some(first) = kinds.next() else { return Some(DataType::Fp32) };
            kinds.try_fold(first?, |one, other| match (one, other?) {
                (one, other) if one == other => Some(one),
                (DataType::Int64, DataType::Fp32) | (DataType::Fp32, DataType::Int64) => Some(DataType::Fp32),
                _ => None,
            })
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tensor(text: &str, declared: Option<(DataType, &[i64])>) -> Result<Tensor, String> {
        let spec = declared.map(|(datatype, shape)| TensorSpec { name: "x".into(), datatype, shape: shape.to_vec() });
        Input::parse(text)?.into_tensor(spec.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn inputs_become_tensors() {
        let check = |text: &str, declared: Option<(DataType, &[i64])>, datatype, shape: &[i64], elements: Value| {
            let made = tensor(text, declared).unwrap();
            assert_eq!((made.datatype(), made.shape()), (datatype, shape), "{text}");
            assert_eq!(made.to_json().unwrap(), elements, "{text}");
        };
        use DataType::*;
        check("x=[[1,2],[3,4]]", None, Int64, &[2, 2], json!([1, 2, 3, 4]));
        check("x=[1,2.5]", None, Fp32, &[2], json!([1.0, 2.5]));
        check("x=[true]", None, Bool, &[1], json!([true]));
        check("x=\"a=b\"", None, Bytes, &[1], json!(["a=b"]));
        check("x:UINT8=[1]", None, Uint8, &[1], json!([1]));
        check("x=[1,2]", Some((Fp32, &[-1])), Fp32, &[2], json!([1.0, 2.0]));
        check("x:INT8=[1,2]", Some((Fp32, &[-1])), Int8, &[2], json!([1, 2]));
        check("x=[1,2]", Some((Fp32, &[-1, 2])), Fp32, &[1, 2], json!([1.0, 2.0]));
        check("x=[1,2]", Some((Fp32, &[-1, 1])), Fp32, &[2, 1], json!([1.0, 2.0]));
        check("x=\"hi\"", Some((Bytes, &[1])), Bytes, &[1], json!(["hi"]));
        check("x=\"hi\"", Some((Bytes, &[-1, 1])), Bytes, &[1, 1], json!(["hi"]));
        check("x=5", Some((Int32, &[])), Int32, &[], json!([5]));
        check("x=[[[1]]]", Some((Int32, &[-1])), Int32, &[1, 1, 1], json!([1]));
    }

    #[test]
    fn names_may_have_colons() {
        assert_eq!(Input::parse("serving_x:0=1").unwrap().name, "serving_x:0");
        let typed = Input::parse("serving_x:0:INT8=1").unwrap();
        assert_eq!((typed.name.as_str(), typed.datatype), ("serving_x:0", Some(DataType::Int8)));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_name() {
        let check = |text: &str, part: &str| {
            let error = tensor(text, None).unwrap_err();
            assert!(error.contains(part), "no {part:?} in {error:?}");
        };
        check("x", "NAME=VALUE");
        check("=1", "needs a name");
        check("x=[1, ", "input `x`: not JSON");
        check("x=hello", "needs quotes");
        check("x:FP31=[1]", "FP32");
        check("x=[[1,2],[3]]", "needs 4 elements, has 3");
        check("x=[1,\"a\"]", "mixes");
        check("x=null", "mixes");
        check("x=@no-such-file.npy", "no-such-file.npy");
    }

    #[test]
    fn files_are_known_by_their_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            format!("x=@{}", path.display())
        };
        let mut file = Vec::new();
        npy::write(&Tensor::of_f32("y", vec![2], &[1.0, 2.0]).unwrap(), &mut file).unwrap();
        let from_npy = tensor(&write("x.npy", &file), None).unwrap();
        assert_eq!((from_npy.name(), from_npy.to_json().unwrap()), ("x", json!([1.0, 2.0])));
        let converted = tensor(&write("x.npy", &file).replace("x=", "x:FP64="), None).unwrap();
        assert_eq!((converted.datatype(), converted.to_json().unwrap()), (DataType::Fp64, json!([1.0, 2.0])));
        assert_eq!(tensor(&write("x.json", b"[[1]]"), None).unwrap().shape(), [1, 1]);
        let picture = tensor(&write("x.jpg", b"\xff\xd8"), None).unwrap();
        assert_eq!(picture.elements().collect::<Vec<_>>(), [&b"\xff\xd8"[..]]);
    }

    #[test]
    fn outputs_name_a_tensor_and_perhaps_a_file() {
        assert_eq!(Output::parse("y").unwrap(), Output { name: "y".into(), file: None });
        assert_eq!(Output::parse("y=@a.npy").unwrap(), Output { name: "y".into(), file: Some("a.npy".into()) });
        for wrong in ["", "=@a.npy", "y=a.npy", "y=@"] {
            assert!(Output::parse(wrong).is_err(), "{wrong}");
        }
    }
}
