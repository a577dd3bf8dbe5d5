//! The page that is shown when nothing could be started: what failed, where, what to do. It has no script and no link.

use tauri::Url;

/// The scheme under which this program itself serves the page.
pub(crate) const SCHEME: &str = "trouble";

/// Where the page is.
pub(crate) const ADDRESS: &str = "trouble://localhost/";

const FRAME: &str = include_str!("trouble.html");

/// Whether that is the page's address, as the platform spells it.
pub(crate) fn is_address(url: &Url) -> bool {
    url.scheme() == SCHEME || (url.scheme() == "http" && url.host_str() == Some("trouble.localhost"))
}

/// The page for this text.
pub(crate) fn page(text: &str) -> String {
    FRAME.replace("{what}", &escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_file_is_text_on_the_page() {
        let page = page("longshore.yaml: <script>alert(1)</script> & more");
        assert!(page.contains("longshore.yaml: &lt;script&gt;alert(1)&lt;/script&gt; &amp; more"), "{page}");
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("{what}"), "{page}");
    }
}
