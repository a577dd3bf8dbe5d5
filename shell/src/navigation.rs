//! Where the page may go: [`Home`]. Only the daemon's own origin is shown in the window; everything else on the web is
//! for the person's browser, and the rest is for nobody.

use tauri::Url;

use crate::trouble;

/// What is done about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is shown here.
    Here,
    /// The person's browser shows it.
    Browser,
    /// Nothing.
    Nowhere,
}

/// The place that the window is for.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// A daemon's page.
    Page(Url),
    /// The page that says why there is no daemon.
    Trouble,
}

impl Home {
    /// What is done about a link to `target`, wherever it came from.
    pub(crate) fn verdict(&self, target: &Url) -> Verdict {
        let is_home = match self {
            // What the page offers for saving has an address of its own kind, `blob:`, which belongs to its origin.
            Self::Page(page) => {
                matches!(target.scheme(), "http" | "https" | "blob") && target.origin() == page.origin()
            }
            Self::Trouble => trouble::is_address(target),
        };
        match target.scheme() {
            _ if is_home => Verdict::Here,
            "http" | "https" => Verdict::Browser,
            _ => Verdict::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(home: &str, target: &str, expected: Verdict) {
        let home = if home.is_empty() { Home::Trouble } else { Home::Page(home.parse().unwrap()) };
        assert_eq!(home.verdict(&target.parse().unwrap()), expected, "{target} from {home:?}");
    }

    const PAGE: &str = "http://127.0.0.1:8400/desk/#token=t";

    #[test]
    fn the_daemon_s_own_origin_stays_in_the_window() {
        for own in [
            PAGE,
            "http://127.0.0.1:8400/desk/#/models",
            "http://127.0.0.1:8400/",
            "blob:http://127.0.0.1:8400/6a1c8cd2-5f0f-4a5c-8b7e-0f6b6f0c9d11",
        ] {
            check(PAGE, own, Verdict::Here);
        }
    }

    #[test]
    fn everything_else_on_the_web_is_for_the_browser() {
        for other in [
            // Another port of this machine is another program.
            "http://127.0.0.1:8401/desk/",
            "http://127.0.0.1/",
            // A name is not the address, even if it leads there.
            "http://localhost:8400/desk/",
            "http://127.0.0.1.example:8400/",
            "http://127.0.0.1:8400@evil.example/",
            "https://127.0.0.1:8400/",
            "https://example.com/a?b=c",
        ] {
            check(PAGE, other, Verdict::Browser);
        }
    }

    #[test]
    fn the_rest_is_for_nobody() {
        for other in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,hello",
            "about:blank",
            "mailto:someone@example.com",
            "tauri://localhost/",
            "blob:https://evil.example/6a1c8cd2",
            "blob:null/6a1c8cd2",
            "trouble://localhost/",
        ] {
            check(PAGE, other, Verdict::Nowhere);
        }
    }

    #[test]
    fn who_has_no_daemon_has_one_page() {
        check("", "trouble://localhost/", Verdict::Here);
        // The same, as Windows spells it.
        check("", "http://trouble.localhost/", Verdict::Here);
        check("", "http://127.0.0.1:8400/desk/", Verdict::Browser);
        check("", "tauri://localhost/", Verdict::Nowhere);
    }
}
