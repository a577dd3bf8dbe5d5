//! Vectors for texts: the mean of the last hidden states, made one long.

use crate::{Error, ErrorKind, model::Model};

/// The vector of one text, shortened to `dimensions` components if wanted, of length 1.
///
/// The forward passes of candle's families answer the last token's state alone, so tokens are fed one by one: the
/// mean of all of them is worth the price.
///
/// # Errors
/// [`ErrorKind::ContextTooLong`] when the text does not fit; [`ErrorKind::InvalidRequest`] for more dimensions than
/// there are; whatever `go_on` answers.
pub(crate) fn vector(
    model: &Model,
    tokens: &[u32],
    dimensions: Option<u32>,
    go_on: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Vec<f32>, Error> {
    let width = model.width();
    let dimensions = dimensions.map_or(width, |dimensions| dimensions as usize);
    if !(1..=width).contains(&dimensions) {
        return Err(Error::invalid(format!("`dimensions` is {dimensions}; the model's vectors have {width}")));
    }
    if tokens.len() > model.context() {
        return Err(Error::new(
            ErrorKind::ContextTooLong,
            format!(
                "the text has {} tokens and the model's context {}; cut it in pieces",
                tokens.len(),
                model.context()
            ),
        ));
    }
    let mut session = model.session(go_on)?;
    let mut states = Vec::with_capacity(tokens.len());
    for token in tokens {
        states.push(session.feed(&[*token], go_on)?.components()?);
    }
    let mut vector = mean(&states, dimensions);
    normalise(&mut vector);
    Ok(vector)
}

fn mean(states: &[Vec<f32>], dimensions: usize) -> Vec<f32> {
    let mut mean = vec![0.0; dimensions];
    for state in states {
        for (sum, component) in mean.iter_mut().zip(state) {
            *sum += component / states.len() as f32;
        }
    }
    mean
}

fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|component| component * component).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|component| *component /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_means_of_length_one() {
        let check = |states: &[&[f32]], dimensions, expected: &[f32]| {
            let states: Vec<_> = states.iter().map(|state| state.to_vec()).collect();
            let mut vector = mean(&states, dimensions);
            normalise(&mut vector);
            assert_eq!(vector, expected, "{states:?}");
        };
        check(&[&[3.0, 4.0]], 2, &[0.6, 0.8]);
        check(&[&[6.0, 0.0], &[0.0, 8.0]], 2, &[0.6, 0.8]);
        check(&[&[3.0, 4.0]], 1, &[1.0]);
        check(&[&[0.0, 0.0]], 2, &[0.0, 0.0]);
    }
}
