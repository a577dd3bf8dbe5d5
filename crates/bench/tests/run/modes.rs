//! Every schedule and every kind of work gives the numbers that the simulator was told to have. Limits are on one side
//! only: a busy machine makes everything later, and nothing earlier.

use longshore_bench::{
    measure::{Counted, Tokenizer},
    resources::{Gauge, Page},
    run::Run,
    schedule::{Process, Schedule, Stop, Trace},
    workload::{Prompts, Task, Workload, fill},
};
use longshore_core::{DataType, model::TensorSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{chat, ms, requests, run, simulator};

const TIMED: &str = "
models: [{ id: sim, tokens: 5 }]
latency: { ttft: 20ms, itl: 4ms }
";
const CLOSED: fn(usize) -> Schedule = |concurrency| Schedule::Closed { concurrency };

fn only(run: &Run) -> &longshore_bench::run::Level {
    let [level] = &run.levels[..] else { panic!("{} levels", run.levels.len()) };
    level
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_loop_measures_what_the_server_does_over_every_protocol() {
    let simulator = simulator(TIMED).await;
    for spoken in ["openai", "native", "oip-rest", "oip-grpc"] {
        let run = run(&simulator.url(), spoken, chat(true), requests(CLOSED(4), 40)).await.unwrap();
        let level = only(&run);
        assert_eq!((level.requests, level.success.count), (40, 40), "{spoken}: {level:?}");
        let metrics = &level.metrics;
        let (ttft, itl, e2e) = (&metrics.ttft, &metrics.itl, &metrics.e2e);
        let (ttft, itl, e2e) = (ttft.as_ref().unwrap(), itl.as_ref().unwrap(), e2e.as_ref().unwrap());
        assert!(ttft.min >= 20.0 && e2e.min >= 36.0, "{spoken}: {ttft:?} {e2e:?}");
        assert_eq!(itl.count, 160, "{spoken}");
        // The simulator tells no counts over gRPC; each event is a token there.
        let counted = if spoken == "oip-grpc" { Counted::Events } else { Counted::Usage };
        assert_eq!(level.counted, Some(counted), "{spoken}");
        assert!(level.window.tokens_per_second <= 5.0 * 4.0 / 0.036 * 1.05, "{spoken}: {:?}", level.window);
        assert_eq!(run.subject.dialect.as_deref(), Some(spoken));
        assert_eq!(run.stages[0].requests.iter().filter(|row| row.counts).count(), 40);
        let text = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run, "a run is what was stored of it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_tokens_an_event_are_several_tokens() {
    let simulator = simulator(
        "
models: [{ id: sim, tokens: 20 }]
latency: { ttft: 10ms, itl: 2ms }
shape: { tokens_per_chunk: 5 }
",
    )
    .await;
    let workload = Workload { tokens: Some(20), ..chat(true) };
    let run = run(&simulator.url(), "openai", workload, requests(CLOSED(2), 20)).await.unwrap();
    let metrics = &only(&run).metrics;
    let (itl, gap) = (metrics.itl.as_ref().unwrap(), metrics.gap.as_ref().unwrap());
    assert_eq!((itl.count, gap.count), (60, 60));
    assert!((gap.mean / itl.mean - 5.0).abs() < 1e-6 && gap.mean >= 9.0, "{} {}", gap.mean, itl.mean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_answers_have_no_gaps() {
    let simulator = simulator(TIMED).await;
    let run = run(&simulator.url(), "openai", chat(false), requests(CLOSED(2), 10)).await.unwrap();
    let metrics = &only(&run).metrics;
    assert!(metrics.itl.is_none() && metrics.tpot.is_none() && metrics.e2e.as_ref().unwrap().min >= 36.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_sends_whether_or_not_answers_come() {
    let simulator = simulator("latency: { ttft: 100ms }\nmodels: [{ id: sim, tokens: 1 }]").await;
    for process in
        [Process::Fixed { rate: 200.0 }, Process::Poisson { rate: 200.0 }, Process::Gamma { rate: 200.0, cv: 2.0 }]
    {
        let plan = requests(Schedule::Open(process), 60);
        let run = run(&simulator.url(), "openai", chat(true), plan).await.unwrap();
        let level = only(&run);
        assert_eq!((level.requests, level.success.count), (60, 60));
        // A closed loop of one would have taken six seconds.
        assert!(level.window.seconds < 3.0, "{:?}", level.window);
        assert!(level.metrics.scheduled_ttft.as_ref().unwrap().mean >= level.metrics.ttft.as_ref().unwrap().mean);
    }
}

/// The server stands still for half a second: whoever counts from the sending alone does not see what callers saw.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_is_seen_by_everybody_who_was_due_in_it() {
    let simulator = simulator("models: [{ id: sim, tokens: 1 }]\nfreezes: [{ at: 1500ms, lasting: 500ms }]").await;
    let stop = Stop { after: Some(ms(2500)), ..Stop::default() };
    let plan = longshore_bench::run::Plan { stop, ..requests(Schedule::Open(Process::Fixed { rate: 100.0 }), 1) };
    let run = run(&simulator.url(), "openai", chat(true), plan).await.unwrap();
    let slow = run.stages[0].requests.iter().filter(|row| row.late + row.ttft.unwrap_or(0.0) > 100.0).count();
    // 100 a second for half a second, of which all but the last tenth wait for more than 100 ms.
    assert!(slow >= 35, "{slow} requests saw the freeze");
    assert_eq!(only(&run).success.value(), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_is_replayed_from_its_first_request() {
    let simulator = simulator("models: [{ id: sim, tokens: 50 }]").await;
    let line = |at: u32, tokens: u32| {
        format!("{{\"timestamp\": {at}, \"input_length\": 30, \"output_length\": {tokens}, \"hash_ids\": [1]}}\n")
    };
    let trace = Trace::parse(&[line(0, 3), line(100, 7), line(150, 9)].concat()).unwrap();
    let schedule = Schedule::Open(Process::Trace { trace: trace.into(), speed: 2.0 });
    let plan = longshore_bench::run::Plan { stop: Stop::default(), ..requests(schedule, 1) };
    let run = run(&simulator.url(), "openai", chat(true), plan).await.unwrap();
    let rows = &run.stages[0].requests;
    let told: Vec<_> = rows.iter().map(|row| (row.at, row.tokens, row.counts)).collect();
    assert_eq!(told, [(0.0, 3.0, true), (50.0, 7.0, true), (75.0, 9.0, true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_vectors_and_tensors_are_measured_too() {
    let simulator = simulator(
        "
models:
- { id: talk, tokens: 5 }
- { id: vectors, kind: embedding }
- { id: affine, kind: tensor }
",
    )
    .await;
    let with = |model: &str, task: Task| Workload { task, model: Some(model.into()), ..chat(true) };
    let spec = TensorSpec { name: "INPUT0".into(), datatype: DataType::Fp32, shape: vec![-1, -1] };
    let tensors = Task::Infer { inputs: fill(&[spec], 3).unwrap() };
    for (workload, spoken, tokens) in [
        (with("talk", Task::Chat { turns: 3 }), "openai", true),
        (with("talk", Task::Complete), "openai", true),
        (with("vectors", Task::Embed { batch: 4 }), "openai", false),
        (Workload { stream: false, ..with("affine", tensors.clone()) }, "oip-rest", false),
        (Workload { stream: false, ..with("affine", tensors) }, "oip-grpc", false),
    ] {
        let word = workload.task.word();
        let run = run(&simulator.url(), spoken, workload, requests(CLOSED(2), 6)).await.unwrap();
        let level = only(&run);
        assert_eq!(level.success.value(), 1.0, "{word}: {:?}", level.failures);
        assert_eq!(level.counted.is_some(), tokens, "{word}");
        assert_eq!((level.metrics.ttft.is_some(), level.metrics.itl.is_some()), (true, tokens), "{word}");
    }
    let turns = simulator.log().iter().filter(|entry| entry.op == "chat").map(|entry| entry.prompt_tokens).max();
    assert!(turns.unwrap() > 5, "later turns carry what was said: {turns:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_prompt_is_as_long_as_was_asked_for() {
    let simulator = simulator("models: [{ id: sim }]").await;
    let prompts = Prompts::Generated("200".parse().unwrap());
    let workload = Workload { prompts, ..chat(true) };
    run(&simulator.url(), "openai", workload, requests(CLOSED(1), 3)).await.unwrap();
    let told: Vec<_> =
        simulator.log().iter().filter(|entry| entry.op == "chat").map(|entry| entry.prompt_tokens).collect();
    assert!(told.len() >= 4 && told.iter().all(|tokens| *tokens == 200), "{told:?}");
}

/// A page of metrics as vLLM has it, and nothing behind it.
async fn page() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for cpu in 10.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            let numbers = format!(
                "vllm:num_requests_running 2\nvllm:num_requests_waiting 5\nvllm:kv_cache_usage_perc 0.25\nprocess_cpu_seconds_total {cpu}\n"
            );
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", numbers.len());
            let mut asked = [0; 1024];
            let _ = socket.read(&mut asked).await.unwrap();
            socket.write_all((head + &numbers).as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}/metrics")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_tells_of_itself_is_in_the_run() {
    let simulator = simulator(TIMED).await;
    let runner = crate::support::runner(&simulator.url(), "openai", chat(true), requests(CLOSED(2), 10));
    let nowhere = "http://127.0.0.1:9/metrics".parse().unwrap();
    let runner = longshore_bench::run::Runner {
        pages: [nowhere, page().await.parse().unwrap()].map(Page::new).to_vec(),
        ..runner
    };
    let (_keep, cancel) = tokio::sync::watch::channel(false);
    let run = runner.run(|_| {}, cancel).await.unwrap();
    let exposed = run.exposed.as_ref().unwrap();
    assert!(exposed.problem.is_none() && exposed.gauges.contains(&Gauge::KvCache), "{exposed:?}");
    let level = only(&run);
    assert_eq!((level.told[&Gauge::Waiting].mean, level.told[&Gauge::KvCache].max), (5.0, 0.25));
    // Nobody knows the process, so its own word counts: one second more with each look.
    assert!(level.server_cpu_ms.unwrap() > 10.0, "{:?}", level.server_cpu_ms);
    let report = longshore_bench::report::text(&longshore_bench::report::run_document(&run), None, false);
    assert!(report.contains("waiting, mean") && report.contains("25 %"), "{report}");
}

/// A simulator tells it to whoever shows its token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_behind_a_token_is_read_with_it() {
    let simulator = simulator("slots: 1\nmodels: [{ id: sim, tokens: 5 }]\nlatency: { ttft: 20ms }").await;
    let page = || Page::new(format!("{}/sim/metrics", simulator.url()).parse().unwrap());
    for (page, tells) in [(page(), false), (page().with_token(simulator.token()).unwrap(), true)] {
        let runner = crate::support::runner(&simulator.url(), "openai", chat(true), requests(CLOSED(3), 6));
        let runner = longshore_bench::run::Runner { pages: vec![page], ..runner };
        let (_keep, cancel) = tokio::sync::watch::channel(false);
        let run = runner.run(|_| {}, cancel).await.unwrap();
        let exposed = run.exposed.as_ref().unwrap();
        let refused = exposed.problem.as_deref().is_some_and(|problem| problem.contains("status 401"));
        assert_eq!((refused, exposed.gauges.len()), (!tells, if tells { 2 } else { 0 }), "{exposed:?}");
        assert_eq!(only(&run).told.contains_key(&Gauge::Waiting), tells);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tokenizer_counts_where_the_server_does_not() {
    let simulator = simulator(TIMED).await;
    for (spoken, tokenizer, counted) in [
        ("oip-grpc", None, Counted::Events),
        ("oip-grpc", Some(Tokenizer::new("seven", |text| (!text.is_empty()).then_some(7))), Counted::Tokenizer),
        ("openai", Some(Tokenizer::new("seven", |_| Some(7))), Counted::Usage),
    ] {
        let mut runner = crate::support::runner(&simulator.url(), spoken, chat(true), requests(CLOSED(1), 4));
        runner.target.tokenizer = tokenizer;
        let (_keep, cancel) = tokio::sync::watch::channel(false);
        let run = runner.run(|_| {}, cancel).await.unwrap();
        let tokens = if counted == Counted::Tokenizer { 7.0 } else { 5.0 };
        assert_eq!((only(&run).counted, run.stages[0].requests[0].tokens), (Some(counted), tokens), "{spoken}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_ends_below_what_the_server_can_do() {
    // Two slots of 20 ms: 100 requests a second, and not one more.
    let simulator = simulator("slots: 2\nmodels: [{ id: sim, tokens: 1 }]\nlatency: { ttft: 20ms }").await;
    let sweep = longshore_bench::run::Sweep { from: 10.0, to: 400.0, share: 0.9, precision: 0.5 };
    let plan = longshore_bench::run::Plan {
        sweep: Some(sweep),
        objectives: "ttft=150ms".parse().unwrap(),
        stop: Stop { after: Some(ms(1000)), ..Stop::default() },
        ..requests(CLOSED(1), 1)
    };
    let run = run(&simulator.url(), "openai", chat(true), plan).await.unwrap();
    let knee = run.knee.unwrap();
    assert!(knee.is_none_or(|knee| knee < 200.0), "{knee:?}");
    assert!(run.levels.windows(2).all(|pair| pair[0].offered < pair[1].offered));
}
