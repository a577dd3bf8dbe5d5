//! Texts that are cut.

/// The most bytes of `text`, and no more than `most`, that end between two characters.
pub(crate) fn boundary(text: &str, most: usize) -> usize {
    let most = most.min(text.len());
    (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_is_cut() {
        let check = |text: &str, most: usize, expected: usize| assert_eq!(boundary(text, most), expected);
        check("aé", 3, 3);
        check("aé", 2, 1);
        check("é", 1, 0);
        check("ab", 9, 2);
    }
}
