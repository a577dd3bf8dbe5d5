//! How long it takes to find a conversation among ten thousand: `cargo bench -p longshore-desk --bench search`.
//!
//! 10,000 conversations of four messages with 60 words each, drawn from 4,000 words as natural texts have them (the n-th
//! most frequent word 1/n as often as the first), in a file as the desk keeps it. A quarter of them is written without spaces,
//! 120 of 3,000 Han characters a message, drawn in the same way. Each query is asked as the page asks it, 50 shown with their
//! excerpts; given are the median and the slowest of 40.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "a benchmark tells what it found, and ends where it cannot"
)]

use std::time::{Duration, Instant};

use longshore_desk::store::{Conversation, Message, Role, Store};

const CONVERSATIONS: u64 = 10_000;
const MESSAGES: usize = 4;
const WORDS: usize = 60;
const CHARACTERS: usize = 120;
const TIMES: usize = 40;

/// What is asked, and what it stands for.
const QUERIES: [(&str, &str); 10] = [
    ("", "everything"),
    ("wa", "a prefix of two letters that a fifth of all words have"),
    ("waba", "the most frequent word"),
    ("waba weba", "two frequent words"),
    ("wobymu", "a rare word"),
    ("waba wobymu", "a frequent and a rare word"),
    ("nowhere", "a word that nobody said"),
    ("一", "the most frequent character"),
    ("一丁", "two frequent characters, side by side"),
    ("丁一丂七", "four frequent characters, side by side"),
];

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    fill(&store).await;
    let bytes = std::fs::metadata(store.path()).unwrap().len();
    println!(
        "{CONVERSATIONS} conversations, {} messages, {:.1} MiB",
        CONVERSATIONS as usize * MESSAGES,
        bytes as f64 / 1048576.0
    );
    for (query, what) in QUERIES {
        let mut times = Vec::new();
        let mut shown = 0;
        for _ in 0..TIMES {
            let started = Instant::now();
            shown = store.list(query, 50, None).await.unwrap().0.len();
            times.push(started.elapsed());
        }
        times.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{:>7.2} ms median {:>7.2} ms slowest  {shown:>2} shown  `{query}`: {what}",
            ms(times[TIMES / 2]),
            ms(times[TIMES - 1])
        );
    }
}

async fn fill(store: &Store) {
    let mut draw = Draw(42);
    for number in 0..CONVERSATIONS {
        let apart = number % 4 != 3;
        let title = if apart {
            draw.text().split(' ').take(5).collect::<Vec<_>>().join(" ")
        } else {
            draw.run().chars().take(12).collect()
        };
        let messages = (0..MESSAGES).map(|at| {
            let parent = at.checked_sub(1).map(|before| format!("{number}-{before}"));
            let role = if at % 2 == 0 { Role::User } else { Role::Assistant };
            let content = if apart { draw.text() } else { draw.run() };
            Message { id: format!("{number}-{at}"), parent, role, content, ..Message::default() }
        });
        let conversation = Conversation {
            id: number.to_string(),
            title,
            updated_at: number,
            messages: messages.collect(),
            ..Conversation::default()
        };
        store.add(conversation).await.unwrap();
    }
}

/// The same texts each time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        // Splitmix64, by Sebastiano Vigna.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// By Zipf's law, nearly: the rank is exponential in an even draw.
    fn rank(&mut self, of: f64) -> usize {
        let even = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        of.powf(even) as usize - 1
    }

    fn text(&mut self) -> String {
        (0..WORDS).map(|_| word(self.rank(4000.0))).collect::<Vec<_>>().join(" ")
    }

    /// Words that are not written apart.
    fn run(&mut self) -> String {
        (0..CHARACTERS).filter_map(|_| char::from_u32(0x4e00 + self.rank(3000.0) as u32)).collect()
    }
}

/// The word of this rank: syllables by its digits.
fn word(rank: usize) -> String {
    const BEGIN: [&str; 5] = ["wa", "we", "wi", "wo", "wu"];
    const MIDDLE: [&str; 20] = [
        "ba", "be", "bi", "bo", "by", "da", "de", "di", "do", "dy", "ka", "ke", "ki", "ko", "ky", "la", "le", "li",
        "lo", "ly",
    ];
    const END: [&str; 40] = [
        "", "ma", "me", "mi", "mo", "mu", "na", "ne", "ni", "no", "nu", "pa", "pe", "pi", "po", "pu", "ra", "re", "ri",
        "ro", "ru", "sa", "se", "si", "so", "su", "ta", "te", "ti", "to", "tu", "va", "ve", "vi", "vo", "vu", "za",
        "ze", "zi", "zo",
    ];
    format!("{}{}{}", BEGIN[rank % 5], MIDDLE[rank / 5 % 20], END[rank / 100 % 40])
}
