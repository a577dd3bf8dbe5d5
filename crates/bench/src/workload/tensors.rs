//! Inputs for a tensor model from what it declares: every element is there, none means anything.

use std::sync::Arc;

use bytes::Bytes;
use longshore_core::{Backend, Call, DataType, Error, Op, Tensor, model::TensorSpec};

/// Elements of one tensor; a larger one must be given by hand.
const MOST: usize = 64 << 20;
/// What each element of a BYTES tensor says.
const TEXT: &str = "longshore";

/// A tensor for each declared input. A free first dimension is `batch`, every other free one is 1.
///
/// # Errors
/// `InvalidRequest`: a declared shape makes no sense, or is too large.
pub fn fill(specs: &[TensorSpec], batch: u32) -> Result<Vec<Tensor>, Error> {
    specs.iter().map(|spec| one(spec, batch)).collect()
}

/// Asks a model what it takes, and fills that. `call` names the model, and the server where that matters.
///
/// # Errors
/// The model cannot be asked, or does not say which tensors it takes.
pub async fn declared(call: Call, batch: u32, backend: &dyn Backend) -> Result<Vec<Tensor>, Error> {
    let asked = call.model_name().to_owned();
    let call = Call { op: Arc::new(Op::Describe { version: None }), ..call };
    let answer = backend.call(call).await?.collect().await?;
    let inputs = answer.models.first().map(|model| model.inputs.as_slice()).unwrap_or_default();
    if inputs.is_empty() {
        return Err(Error::invalid(format!("`{asked}` does not say which tensors it takes")));
    }
    fill(inputs, batch)
}

fn one(spec: &TensorSpec, batch: u32) -> Result<Tensor, Error> {
    let free = |(axis, extent): (usize, &i64)| match (*extent, axis) {
        (-1, 0) => i64::from(batch),
        (-1, _) => 1,
        (extent, _) => extent,
    };
    let shape: Vec<i64> = spec.shape.iter().enumerate().map(free).collect();
    let count = shape.iter().try_fold(1_usize, |count, extent| count.checked_mul(usize::try_from(*extent).ok()?));
    let count = count.filter(|count| *count <= MOST).ok_or_else(|| {
        Error::invalid(format!(
            "the input `{}` is declared with the shape {:?}, which cannot be filled",
            spec.name, spec.shape
        ))
    })?;
    match spec.datatype.size() {
        None => Tensor::of_bytes(spec.name.as_str(), shape, vec![TEXT; count]),
        Some(_) if spec.datatype == DataType::Fp32 => {
            let elements: Vec<f32> = (0..count).map(|at| (at % 100) as f32 / 100.0).collect();
            Tensor::of_f32(spec.name.as_str(), shape, &elements)
        }
        Some(size) => Tensor::new(spec.name.as_str(), spec.datatype, shape, Bytes::from(vec![0; count * size])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_shapes_are_filled() {
        let check = |datatype: DataType, shape: &[i64], expected: Option<&[i64]>| {
            let spec = TensorSpec { name: "x".into(), datatype, shape: shape.to_vec() };
            let filled = fill(&[spec], 4);
            assert_eq!(filled.as_ref().ok().map(|tensors| tensors[0].shape()), expected, "{filled:?}");
        };
        check(DataType::Fp32, &[-1, -1], Some(&[4, 1]));
        check(DataType::Bytes, &[2, 3], Some(&[2, 3]));
        check(DataType::Int64, &[], Some(&[]));
        check(DataType::Bool, &[-1], Some(&[4]));
        check(DataType::Fp32, &[-2], None);
        check(DataType::Fp32, &[1 << 40, 1 << 40], None);
    }
}
