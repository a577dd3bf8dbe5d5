//! Tensors put together and taken apart along their first axis.

use bytes::{Bytes, BytesMut};
use longshore_core::{DataType, Error, Tensor, event::InferenceOutput};

/// How many rows these inputs have, if they agree about it.
pub(super) fn count(inputs: &[Tensor]) -> Option<usize> {
    let rows = *inputs.first()?.shape().first()?;
    let agree = inputs.iter().all(|tensor| tensor.shape().first() == Some(&rows));
    usize::try_from(rows).ok().filter(|_| agree)
}

/// The inputs of several requests, one under the other. They have the same names, datatypes and further extents.
///
/// # Errors
/// They have not.
pub(super) fn concatenate(requests: &[&[Tensor]]) -> Result<Vec<Tensor>, Error> {
    let [first, ..] = requests else { return Ok(Vec::new()) };
    let column = |index: usize| -> Result<Tensor, Error> {
        let parts: Option<Vec<&Tensor>> = requests.iter().map(|inputs| inputs.get(index)).collect();
        let parts = parts.ok_or_else(|| Error::invalid("the requests have different numbers of inputs"))?;
        let mut data = BytesMut::with_capacity(parts.iter().map(|part| part.data().len()).sum());
        parts.iter().for_each(|part| data.extend_from_slice(part.data()));
        let mut shape = parts[0].shape().to_vec();
        if let Some(rows) = shape.first_mut() {
            *rows = parts.iter().filter_map(|part| part.shape().first()).sum();
        }
        let tensor = Tensor::new(parts[0].name(), parts[0].datatype(), shape, data.freeze())?;
        Ok(tensor.with_parameters(parts[0].parameters().clone()))
    };
    (0..first.len()).map(column).collect()
}

/// These rows of an answer that has `all` of them. Nothing is copied.
///
/// # Errors
/// An output has another number of rows: the model does not keep them apart.
pub(super) fn cut(output: &InferenceOutput, first: usize, rows: usize, all: usize) -> Result<InferenceOutput, Error> {
    let outputs: Result<Vec<_>, Error> =
        output.outputs.iter().map(|tensor| cut_one(tensor, first, rows, all)).collect();
    Ok(InferenceOutput { outputs: outputs?, ..output.clone() })
}

fn cut_one(tensor: &Tensor, first: usize, rows: usize, all: usize) -> Result<Tensor, Error> {
    let Some((&extent, rest)) = tensor.shape().split_first() else { return Err(not_apart(tensor, all)) };
    if usize::try_from(extent) != Ok(all) || all == 0 {
        return Err(not_apart(tensor, all));
    }
    let data = match tensor.datatype() {
        DataType::Bytes => cut_elements(tensor, first, rows, all),
        _ => {
            let row = tensor.data().len() / all;
            tensor.data().slice(first * row..(first + rows) * row)
        }
    };
    let shape = std::iter::once(rows as i64).chain(rest.iter().copied()).collect();
    let part = Tensor::new(tensor.name(), tensor.datatype(), shape, data)?;
    Ok(part.with_parameters(tensor.parameters().clone()))
}

/// Each element has its length before it.
fn cut_elements(tensor: &Tensor, first: usize, rows: usize, all: usize) -> Bytes {
    let lengths: Vec<usize> = tensor.elements().map(|element| element.len() + 4).collect();
    let row = lengths.len() / all;
    let start: usize = lengths[..first * row].iter().sum();
    let length: usize = lengths[first * row..(first + rows) * row].iter().sum();
    tensor.data().slice(start..start + length)
}

fn not_apart(tensor: &Tensor, all: usize) -> Error {
    let (name, shape) = (tensor.name(), tensor.shape());
    Error::protocol(format!("the output `{name}` has the shape {shape:?}, not a row for each of {all}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went() {
        let text = |rows: &[&str]| Tensor::of_bytes("t", vec![rows.len() as i64, 1], rows).unwrap();
        let number = |rows: &[f32]| Tensor::of_f32("n", vec![rows.len() as i64 / 2, 2], rows).unwrap();
        let requests =
            [vec![text(&["a", "bcd"]), number(&[1.0, 2.0, 3.0, 4.0])], vec![text(&[""]), number(&[5.0, 6.0])]];
        assert_eq!(requests.iter().map(|inputs| count(inputs)).collect::<Vec<_>>(), [Some(2), Some(1)]);
        let joint = concatenate(&requests.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        let output = InferenceOutput { outputs: joint, ..InferenceOutput::default() };
        assert_eq!(cut(&output, 0, 2, 3).unwrap().outputs, requests[0]);
        assert_eq!(cut(&output, 2, 1, 3).unwrap().outputs, requests[1]);
        assert!(cut(&output, 0, 1, 2).is_err(), "rows that are not there");
        assert_eq!(count(&[text(&["a"]), number(&[1.0, 2.0, 3.0, 4.0])]), None);
    }
}
