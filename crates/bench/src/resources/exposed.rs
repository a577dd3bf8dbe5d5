//! What a server tells of itself while it is measured: [`Exposed`], read from its page of metrics in Prometheus' format.
//!
//! Servers have names of their own for the same things; the table [`KNOWN`] says what is what. What a server does not
//! expose is not known, and the report says so. Pages behind TLS are not read, and a token is shown where one was given.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header::AUTHORIZATION};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

/// How often the page is read. Reading it costs client and server about as much as one short request.
const EVERY: Duration = Duration::from_secs(1);
/// How long the server may take for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of the page.
const LARGEST: usize = 8 << 20;

/// What a number is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gauge {
    /// Requests that are being worked on.
    Running,
    /// Requests that wait for their turn.
    Waiting,
    /// The share of the room for keys and values that is taken.
    KvCache,
    /// The share of time in which the busiest processor for tensors worked.
    GpuUse,
    /// Memory taken on processors for tensors, in bytes.
    GpuMemory,
    /// Processor time since the server's start, in seconds.
    CpuSeconds,
    /// Resident memory, in bytes.
    Memory,
}

/// Names of servers' numbers: vLLM, llama.cpp's llama-server, SGLang, Hugging Face's TGI, Triton, Longshore's gateway and its
/// simulator; the last two are of every Prometheus client library.
const KNOWN: &[(&str, Gauge)] = &[
    ("vllm:num_requests_running", Gauge::Running),
    ("vllm:num_requests_waiting", Gauge::Waiting),
    ("vllm:kv_cache_usage_perc", Gauge::KvCache),
    ("vllm:gpu_cache_usage_perc", Gauge::KvCache),
    ("llamacpp:requests_processing", Gauge::Running),
    ("llamacpp:requests_deferred", Gauge::Waiting),
    ("llamacpp:kv_cache_usage_ratio", Gauge::KvCache),
    ("sglang:num_running_reqs", Gauge::Running),
    ("sglang:num_queue_reqs", Gauge::Waiting),
    ("sglang:token_usage", Gauge::KvCache),
    ("tgi_batch_current_size", Gauge::Running),
    ("tgi_queue_size", Gauge::Waiting),
    ("nv_inference_pending_request_count", Gauge::Waiting),
    ("nv_gpu_utilization", Gauge::GpuUse),
    ("nv_gpu_memory_used_bytes", Gauge::GpuMemory),
    ("longshore_in_flight", Gauge::Running),
    ("longshore_sim_slots_in_use", Gauge::Running),
    ("longshore_sim_queue_length", Gauge::Waiting),
    ("process_cpu_seconds_total", Gauge::CpuSeconds),
    ("process_resident_memory_bytes", Gauge::Memory),
];

impl Gauge {
    /// Series of one name are added up, but for shares, of which the largest is told.
    fn join(self, one: f64, other: f64) -> f64 {
        match self {
            Self::KvCache | Self::GpuUse => one.max(other),
            _ => one + other,
        }
    }
}

/// Where a server may tell of itself.
#[derive(Clone, Debug)]
pub struct Page {
    address: Uri,
    /// Marked as sensitive, so that it is not printed.
    credential: Option<HeaderValue>,
}

impl Page {
    /// A page that everybody may read.
    pub fn new(address: Uri) -> Self {
        Self { address, credential: None }
    }

    /// The same, read with a token (`Authorization: Bearer`), which is shown to this address alone.
    ///
    /// # Errors
    /// No header can carry the token.
    pub fn with_token(self, token: &str) -> Result<Self, http::header::InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
        value.set_sensitive(true);
        Ok(Self { credential: Some(value), ..self })
    }
}

/// What a page said, by what it is about.
type Numbers = BTreeMap<Gauge, f64>;

/// A number over a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// At the beginning.
    pub first: f64,
    /// At the end.
    pub last: f64,
    /// On average.
    pub mean: f64,
    /// At most.
    pub max: f64,
}

/// What a server told over a stage.
pub type Courses = BTreeMap<Gauge, Course>;

/// Whether a server tells anything, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposed {
    /// Where it was asked; empty: nowhere.
    pub url: String,
    /// What it tells.
    pub gauges: Vec<Gauge>,
    /// Why it tells nothing.
    pub problem: Option<String>,
}

impl Exposed {
    /// Asks at each place until one tells something that is known here, which is given too.
    pub async fn at(pages: &[Page]) -> (Self, Option<&Page>) {
        let mut problems = Vec::new();
        for page in pages {
            let address = &page.address;
            match read(&client(), page).await {
                Ok(numbers) if numbers.is_empty() => {
                    problems.push(format!("{address} tells nothing that is known here"))
                }
                Ok(numbers) => {
                    let gauges = numbers.into_keys().collect();
                    return (Self { url: address.to_string(), gauges, problem: None }, Some(page));
                }
                Err(why) => problems.push(format!("{address}: {why}")),
            }
        }
        let problem = Some(problems.join("; ")).filter(|text| !text.is_empty());
        (Self { problem, ..Self::default() }, None)
    }
}

/// Reads a page again and again, from its start until it is finished.
pub(crate) struct Reader {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
    page: Page,
}

#[derive(Default)]
struct Seen(BTreeMap<Gauge, Vec<f64>>);

impl Reader {
    /// Needs a tokio runtime. The first reading is done when this resolves.
    pub(crate) async fn start(page: Page) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        look(&client(), &page, &seen).await;
        let (for_task, place, mut due) = (seen.clone(), page.clone(), Instant::now());
        let task = tokio::spawn(async move {
            let client = client();
            loop {
                due += EVERY;
                sleep_until(due).await;
                look(&client, &place, &for_task).await;
            }
        });
        Self { seen, task, page }
    }

    /// Reads a last time, and tells.
    pub(crate) async fn finish(self) -> Courses {
        self.task.abort();
        look(&client(), &self.page, &self.seen).await;
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        seen.0.into_iter().filter_map(|(gauge, values)| Some((gauge, course(&values)?))).collect()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn course(values: &[f64]) -> Option<Course> {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(Course { first: *values.first()?, last: *values.last()?, mean: crate::statistics::mean(values)?, max })
}

async fn look(client: &Client<HttpConnector, Empty<Bytes>>, page: &Page, seen: &Mutex<Seen>) {
    // A page that fails once is read again a second later.
    if let Ok(numbers) = read(client, page).await {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (gauge, value) in numbers {
            seen.0.entry(gauge).or_default().push(value);
        }
    }
}

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn read(client: &Client<HttpConnector, Empty<Bytes>>, page: &Page) -> Result<Numbers, String> {
    let Page { address, credential } = page;
    if address.scheme_str() != Some("http") {
        return Err("only plain HTTP is asked".into());
    }
    let mut request = Request::get(address.clone()).body(Empty::new()).map_err(|error| error.to_string())?;
    if let Some(credential) = credential {
        request.headers_mut().insert(AUTHORIZATION, credential.clone());
    }
    let page = async {
        let answer = client.request(request).await.map_err(|_| "nobody answers".to_owned())?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status().as_u16()));
        }
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        Ok(body.map_err(|error| error.to_string())?.to_bytes())
    };
    let page = timeout(PATIENCE, page).await.map_err(|_| "no answer in time".to_owned())??;
    Ok(numbers(&String::from_utf8_lossy(&page)))
}

/// The known numbers of a page in Prometheus' text format (0.0.4): `name{labels} value`.
fn numbers(page: &str) -> Numbers {
    let mut numbers = Numbers::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let Some((_, gauge)) = KNOWN.iter().find(|(known, _)| *known == name) else { continue };
        // Labels are quoted and may hold spaces, but no value stands before the last bracket.
        let rest = line.rsplit_once('}').map_or(&line[name.len()..], |(_, rest)| rest);
        let value = rest.split_whitespace().next().and_then(|value| value.parse::<f64>().ok());
        if let Some(value) = value.filter(|value| value.is_finite()) {
            numbers.entry(*gauge).and_modify(|sum| *sum = gauge.join(*sum, value)).or_insert(value);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    const VLLM: &str = "\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine=\"0\",model_name=\"a } model\"} 3.0
vllm:num_requests_running{engine=\"1\",model_name=\"a } model\"} 4.0
vllm:num_requests_waiting{engine=\"0\"} 12.0
vllm:kv_cache_usage_perc{engine=\"0\"} 0.25
vllm:kv_cache_usage_perc{engine=\"1\"} 0.75
process_cpu_seconds_total 41.5
process_resident_memory_bytes NaN
vllm:num_requests_waiting_by_reason 99
";

    #[test]
    fn known_numbers_are_read() {
        let check = |page: &str, expected: &[(Gauge, f64)]| {
            assert_eq!(numbers(page).into_iter().collect::<Vec<_>>(), expected, "{page}");
        };
        check(
            VLLM,
            &[(Gauge::Running, 7.0), (Gauge::Waiting, 12.0), (Gauge::KvCache, 0.75), (Gauge::CpuSeconds, 41.5)],
        );
        check(
            "llamacpp:requests_deferred 2\nllamacpp:kv_cache_usage_ratio 0.5 1700000000\n",
            &[(Gauge::Waiting, 2.0), (Gauge::KvCache, 0.5)],
        );
        check(
            "nv_gpu_memory_used_bytes{gpu_uuid=\"a\"} 1e9\nnv_gpu_memory_used_bytes{gpu_uuid=\"b\"} 2e9",
            &[(Gauge::GpuMemory, 3e9)],
        );
        check(
            "longshore_sim_slots_in_use 3\nlongshore_sim_queue_length 4\nlongshore_sim_requests_in_flight 7\n",
            &[(Gauge::Running, 3.0), (Gauge::Waiting, 4.0)],
        );
        check("<html>not found</html>\n{}\nlongshore_in_flight", &[]);
    }

    #[test]
    fn a_course_is_told_of_what_was_seen() {
        let expected = Course { first: 1.0, last: 3.0, mean: 3.0, max: 5.0 };
        assert_eq!((course(&[1.0, 5.0, 3.0]), course(&[])), (Some(expected), None));
    }

    #[tokio::test]
    async fn who_tells_nothing_is_said_to() {
        let page = Page::new("http://127.0.0.1:9/metrics".parse().unwrap()).with_token("secret").unwrap();
        assert!(!format!("{page:?}").contains("secret"), "{page:?}");
        let pages = [page];
        let (nobody, found) = Exposed::at(&pages).await;
        assert!(found.is_none());
        assert_eq!(nobody.problem.as_deref(), Some("http://127.0.0.1:9/metrics: nobody answers"));
        assert_eq!(Exposed::at(&[]).await.0, Exposed::default());
    }
}
