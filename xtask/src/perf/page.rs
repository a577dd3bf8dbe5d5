//! Writing what was measured where it stands on a page: [`write()`].

use std::{fs, path::Path};

use super::Outcome;

/// Replaces what stands between the marks of `name`.
pub(super) fn write(page: &Path, name: &str, text: &str) -> Outcome<()> {
    let before = fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    let after = replaced(&before, name, text).ok_or_else(|| format!("{}: no marks perf:{name}", page.display()))?;
    Ok(fs::write(page, after)?)
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let (open, close) = (format!("<!-- perf:{name} -->"), format!("<!-- /perf:{name} -->"));
    let (head, rest) = page.split_once(&open)?;
    let (_, tail) = rest.split_once(&close)?;
    Some(format!("{head}{open}\n\n{}\n\n{close}{tail}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_replaces_what_stood_there() {
        let page = "# A\n<!-- perf:x -->\nold\n<!-- /perf:x -->\nend\n";
        let once = replaced(page, "x", "new\n").unwrap();
        assert_eq!(once, "# A\n<!-- perf:x -->\n\nnew\n\n<!-- /perf:x -->\nend\n");
        assert_eq!(replaced(&once, "x", "new").unwrap(), once);
        assert_eq!((replaced(page, "y", ""), replaced("<!-- perf:x -->", "x", "")), (None, None));
    }
}
