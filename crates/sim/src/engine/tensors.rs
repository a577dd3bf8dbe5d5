//! What tensor models compute: identity, sum and argmax over the last axis.

use bytes::Bytes;
use half::{bf16, f16};
use longshore_core::{DataType, Error, Sent, Tensor, call::Inference, event::InferenceOutput};

use crate::config::{Model, TensorFunction};

/// The model's answer.
///
/// # Errors
/// `InvalidRequest` when the inputs are not the declared ones, or the function has no meaning for them.
pub(crate) fn answer(model: &Model, inference: &Inference) -> Result<InferenceOutput, Error> {
    check_inputs(model, inference)?;
    let outputs = inference.inputs.iter().enumerate().map(|(position, input)| {
        let name = match model.outputs.get(position) {
            Some(spec) => spec.name.clone(),
            None => input.name().replace("INPUT", "OUTPUT").replace("input", "output"),
        };
        compute(model.function, input).map(|output| output.renamed(name))
    });
    let mut outputs = outputs.collect::<Result<Vec<_>, _>>().map_err(|error| error.sent(Sent::No))?;
    let wanted = &inference.outputs;
    if let Some(missing) = wanted.iter().find(|wanted| !outputs.iter().any(|output| output.name() == wanted.name)) {
        return Err(Error::invalid(format!("the model `{}` has no output `{}`", model.id, missing.name)).sent(Sent::No));
    }
    if !wanted.is_empty() {
        outputs.retain(|output| wanted.iter().any(|wanted| wanted.name == output.name()));
    }
    let version = Some(inference.version.clone().unwrap_or_else(|| "1".into()));
    Ok(InferenceOutput { version, id: inference.id.clone(), outputs, ..InferenceOutput::default() })
}

fn check_inputs(model: &Model, inference: &Inference) -> Result<(), Error> {
    let wrong = |message: String| Err(Error::invalid(message).sent(Sent::No));
    if model.inputs.is_empty() {
        return Ok(());
    }
    if inference.inputs.len() != model.inputs.len() {
        let (wanted, found) = (model.inputs.len(), inference.inputs.len());
        return wrong(format!("the model `{}` takes {wanted} inputs, not {found}", model.id));
    }
    for (spec, input) in model.inputs.iter().zip(&inference.inputs) {
        if spec.name != input.name() || spec.datatype != input.datatype() {
            let (name, datatype) = (input.name(), input.datatype());
            return wrong(format!(
                "input `{name}` of {datatype} is not the declared `{}` of {}",
                spec.name, spec.datatype
            ));
        }
        let fits = spec.shape.len() == input.shape().len()
            && spec.shape.iter().zip(input.shape()).all(|(declared, found)| *declared < 0 || declared == found);
        if !fits {
            return wrong(format!("input `{}` has shape {:?}, declared is {:?}", spec.name, input.shape(), spec.shape));
        }
    }
    Ok(())
}

fn compute(function: TensorFunction, input: &Tensor) -> Result<Tensor, Error> {
    if function == TensorFunction::Identity {
        return Ok(input.clone());
    }
    let Some((&last, rest)) = input.shape().split_last().filter(|(last, _)| **last > 0) else {
        return Err(Error::invalid(format!("tensor `{}` has no last axis to go along", input.name())));
    };
    let row = usize::try_from(last).unwrap_or(1);
    let shape = rest.to_vec();
    let datatype = input.datatype();
    let values = numbers(input)?;
    let rows = values.chunks(row);
    match function {
        TensorFunction::Argmax => {
            let data: Vec<u8> = rows.flat_map(|row| (largest(row) as i64).to_le_bytes()).collect();
            Tensor::new(input.name(), DataType::Int64, shape, data.into())
        }
        _ => {
            let mut data = Vec::new();
            for row in rows {
                let sum = row.iter().fold(Number::zero(datatype), |sum, value| sum.plus(*value));
                sum.put(datatype, &mut data);
            }
            Tensor::new(input.name(), datatype, shape, Bytes::from(data))
        }
    }
}

/// An element, without loss: whole numbers of up to 64 bits, or a float.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    fn zero(datatype: DataType) -> Self {
        match datatype {
            DataType::Fp16 | DataType::Bf16 | DataType::Fp32 | DataType::Fp64 => Self::Float(0.0),
            _ => Self::Whole(0),
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Self::Whole(a + b),
            (a, b) => Self::Float(a.float() + b.float()),
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    fn greater(self, other: Self) -> bool {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a > b,
            (a, b) => a.float() > b.float(),
        }
    }

    /// Whole numbers wrap around, as most runtimes have it.
    fn put(self, datatype: DataType, data: &mut Vec<u8>) {
        match self {
            Self::Whole(number) => {
                let bytes = if datatype == DataType::Bool { i128::from(number != 0) } else { number }.to_le_bytes();
                data.extend_from_slice(&bytes[..datatype.size().unwrap_or(0)]);
            }
            Self::Float(number) => match datatype {
                DataType::Fp16 => data.extend_from_slice(&f16::from_f64(number).to_le_bytes()),
                DataType::Bf16 => data.extend_from_slice(&bf16::from_f64(number).to_le_bytes()),
                DataType::Fp32 => data.extend_from_slice(&(number as f32).to_le_bytes()),
                _ => data.extend_from_slice(&number.to_le_bytes()),
            },
        }
    }
}

fn numbers(input: &Tensor) -> Result<Vec<Number>, Error> {
    let datatype = input.datatype();
    let Some(size) = datatype.size() else {
        return Err(Error::invalid(format!("tensor `{}` is of {datatype}, which is no number", input.name())));
    };
    Ok(input.data().chunks_exact(size).map(|element| number(datatype, element)).collect())
}

fn number(datatype: DataType, element: &[u8]) -> Number {
    let signed = matches!(datatype, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64);
    let negative = signed && element.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut bytes = [if negative { 0xFF } else { 0 }; 16];
    bytes[..element.len()].copy_from_slice(element);
    let whole = i128::from_le_bytes(bytes);
    match datatype {
        DataType::Fp16 => Number::Float(f16::from_bits(whole as u16).into()),
        DataType::Bf16 => Number::Float(bf16::from_bits(whole as u16).into()),
        DataType::Fp32 => Number::Float(f32::from_bits(whole as u32).into()),
        DataType::Fp64 => Number::Float(f64::from_bits(whole as u64)),
        _ => Number::Whole(whole),
    }
}

fn largest(row: &[Number]) -> usize {
    (1..row.len()).fold(0, |best, position| if row[position].greater(row[best]) { position } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(function: TensorFunction, datatype: DataType, shape: &[i64], data: &[u8], expected: &[u8]) {
        let input = Tensor::new("x", datatype, shape.to_vec(), Bytes::copy_from_slice(data)).unwrap();
        let output = compute(function, &input).unwrap();
        assert_eq!(output.data(), expected, "{function:?} of {datatype}");
        assert_eq!(output.shape(), &shape[..shape.len() - 1]);
    }

    #[test]
    fn functions_go_along_the_last_axis() {
        use TensorFunction::{Argmax, Sum};
        check(Sum, DataType::Int8, &[2, 2], &[1, 255, 127, 1], &[0, 128]);
        check(Sum, DataType::Uint8, &[1, 3], &[1, 2, 3], &[6]);
        check(Sum, DataType::Bool, &[3], &[1, 1, 0], &[1]);
        let floats: Vec<u8> = [1.5_f32, -0.5, 2.0, f32::MAX].iter().flat_map(|float| float.to_le_bytes()).collect();
        check(Argmax, DataType::Fp32, &[2, 2], &floats, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let halves: Vec<u8> = [1.5, 2.25].iter().flat_map(|float| f16::from_f64(*float).to_le_bytes()).collect();
        check(Sum, DataType::Fp16, &[1, 2], &halves, &f16::from_f64(3.75).to_le_bytes());
        let large: Vec<u8> = [i64::MAX, i64::MAX - 1].iter().flat_map(|whole| whole.to_le_bytes()).collect();
        check(Argmax, DataType::Int64, &[2], &large, &0_i64.to_le_bytes());
    }

    #[test]
    fn declared_tensors_are_asked_for() {
        let model = Model::tensor("m", TensorFunction::Sum);
        let infer = |name: &str, shape: &[i64]| {
            let count = shape.iter().product::<i64>() as usize;
            let input = Tensor::of_f32(name, shape.to_vec(), &vec![1.0; count]).unwrap();
            answer(&model, &Inference { inputs: vec![input], ..Inference::default() })
        };
        let output = infer("INPUT0", &[2, 3]).unwrap();
        assert_eq!(output.outputs[0], Tensor::of_f32("OUTPUT0", vec![2], &[3.0, 3.0]).unwrap());
        for (name, shape) in [("x", &[2, 3][..]), ("INPUT0", &[6]), ("INPUT0", &[2, 0])] {
            assert!(infer(name, shape).is_err(), "{name} {shape:?}");
        }
        assert!(answer(&model, &Inference::default()).unwrap_err().message().contains("1 inputs"));
    }
}
