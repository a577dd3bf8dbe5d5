//! From settings to the backend that commands and the server talk to: the configured servers and the engine, as one
//! [`Fleet`]. Nothing is connected to here.

#[cfg(feature = "engine")]
use std::sync::{Mutex, PoisonError};
use std::{path::PathBuf, sync::Arc};

use longshore_client::{
    BatchConfig, Breaker, CacheConfig, DialectChoice, DiskConfig, EndMark, Fleet, FleetBuilder, FleetConfig, Health,
    Lifecycle, Limits, Pem, Pool, Retry, Secret, ServerConfig, Stamps, Timeouts, Tls,
};
use longshore_config::{Config, Server};
#[cfg(feature = "engine")]
use longshore_core::Backend;
use longshore_core::{Dialect, Error, ErrorKind, Protocol, Sent, dialect};

use crate::exit::Failure;

use super::variable;

/// The engine of the last fleet that was built, for the next one with the same settings.
#[derive(Default)]
pub(crate) struct KeptEngine {
    /// Begin to load the built-in model at once.
    #[cfg(feature = "engine")]
    preload: bool,
    #[cfg(feature = "engine")]
    last: Mutex<Option<(longshore_config::Engine, Arc<dyn Backend>)>>,
}

impl KeptEngine {
    /// For a program that stays: the engine begins to load its built-in model at once.
    pub(crate) fn preloading() -> Self {
        Self {
            #[cfg(feature = "engine")]
            preload: true,
            #[cfg(feature = "engine")]
            last: Mutex::default(),
        }
    }
}

/// The backend of this configuration; its engine is the one in `kept`, if that has the same settings. What a person
/// should know goes to `warnings`; `tune` has the last word about how servers are called.
pub(crate) fn open(
    config: &Config,
    kept: &KeptEngine,
    warnings: &mut Vec<String>,
    tune: impl FnOnce(FleetConfig) -> FleetConfig,
) -> Result<Arc<Fleet>, Failure> {
    let servers: Vec<ServerConfig> = config.servers.iter().map(|server| server_config(server, warnings)).collect();
    let has_servers = !servers.is_empty();
    let builder = with_engine(Fleet::builder(tune(fleet_config(config, servers))), config, kept, has_servers)?;
    let built = builder.build().map_err(|error| Failure::Configuration(error.to_string()))?;
    Ok(Arc::new(built))
}

/// A server that nobody configured, called as the configuration says.
pub(crate) fn open_one(
    config: &Config,
    server: ServerConfig,
    tune: impl FnOnce(FleetConfig) -> FleetConfig,
) -> Result<Arc<Fleet>, Failure> {
    let built = Fleet::builder(tune(fleet_config(config, vec![server]))).build();
    built.map(Arc::new).map_err(|error| Failure::Usage(error.message().to_owned()))
}

/// Whether there is a server of this name.
pub(crate) fn check_name(fleet: &Fleet, name: &str) -> Result<(), Failure> {
    if fleet.servers().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let known: Vec<String> = fleet.servers().map(|known| format!("`{known}`")).collect();
    Err(Failure::Usage(format!("there is no server `{name}`; there are {}", known.join(", "))))
}

fn fleet_config(config: &Config, servers: Vec<ServerConfig>) -> FleetConfig {
    let (timeouts, pool, models) = (&config.timeouts, &config.pool, &config.models);
    let (retry, breaker) = (&config.retry, &config.breaker);
    FleetConfig {
        servers,
        default_model: config.inference.model.clone(),
        timeouts: Timeouts {
            connect: timeouts.connect,
            headers: timeouts.headers,
            first_token: timeouts.first_token,
            first_token_cold: timeouts.first_token_cold,
            idle: timeouts.idle,
            total: config.inference.timeout,
            load: config.models.timeout,
            probe: timeouts.probe,
        },
        retry: Retry {
            max_attempts: retry.max_attempts as usize,
            budget_percent: retry.budget_percent,
            base_delay: retry.base_delay,
            max_delay: retry.max_delay,
            hedge_after: retry.hedge_after,
            hedge_percent: retry.hedge_percent,
            resume: retry.resume,
        },
        breaker: Breaker {
            consecutive_faults: breaker.consecutive_faults,
            failure_percent: breaker.failure_percent,
            min_calls: breaker.min_requests,
            open: breaker.open,
            max_open: breaker.max_open,
            ..Breaker::default()
        },
        health: Health { interval: config.health.interval },
        pool: Pool {
            max_idle_per_host: pool.max_idle_per_host as usize,
            idle_timeout: pool.idle_timeout,
            max_connections: pool.max_connections as usize,
            max_age: pool.max_age,
            grpc_connections: pool.grpc_connections as usize,
            http2_keepalive: pool.http2_keepalive,
        },
        limits: Limits {
            reply_body_bytes: config.limits.reply_body.as_usize(),
            stream_event_bytes: config.limits.stream_event.as_usize(),
            in_flight: config.limits.in_flight as usize,
            queue: config.limits.queue as usize,
        },
        cache: config.cache.enabled.then(|| cache_config(&config.cache)),
        batch: config.batch.enabled.then_some(batch_config(&config.batch)),
        models_ttl: config.cache.models_ttl,
        lifecycle: Lifecycle {
            poll: models.poll,
            ensure_loaded: models.ensure_loaded,
            drain: models.drain,
            unload_busy: models.unload_busy,
        },
        stamps: Stamps::Read,
    }
}

fn batch_config(batch: &longshore_config::Batch) -> BatchConfig {
    BatchConfig {
        max_size: batch.max_size as usize,
        max_wait: batch.max_wait,
        embeddings: batch.embeddings,
        completions: batch.completions,
        tensors: batch.tensors,
    }
}

fn cache_config(cache: &longshore_config::Cache) -> CacheConfig {
    CacheConfig {
        max_bytes: cache.max_bytes.get(),
        ttl: cache.ttl,
        embeddings: cache.embeddings,
        tensors: cache.tensors,
        disk: cache.path.clone().map(|path| DiskConfig { path, max_bytes: cache.disk_max_bytes.get() }),
    }
}

/// A secret that is not there must not keep the other servers from answering: this one will say what it thinks of it.
fn server_config(server: &Server, warnings: &mut Vec<String>) -> ServerConfig {
    let credential = server.credential.as_ref().and_then(|credential| match credential.resolve(&variable) {
        Ok(secret) => Some(Secret::new(secret.expose())),
        Err(error) => {
            warnings.push(format!("server {}: {error}; it is called without a token", server.name));
            None
        }
    });
    let file = |path: &Option<PathBuf>| path.clone().map(Pem::File);
    let tls = server.tls.as_ref().map_or_else(Tls::default, |tls| Tls {
        ca: file(&tls.ca),
        client_certificate: file(&tls.client_certificate),
        client_key: file(&tls.client_key),
        server_name: tls.server_name.clone(),
    });
    ServerConfig {
        rest: server.rest.as_ref().map(ToString::to_string),
        grpc: server.grpc.as_ref().map(ToString::to_string),
        dialect: dialects(server.dialect),
        credential,
        tls,
        weight: server.weight,
        prefer: server.prefer.map(|protocol| match protocol {
            longshore_config::Protocol::Rest => Protocol::Rest,
            longshore_config::Protocol::Grpc => Protocol::Grpc,
        }),
        end_mark: match server.end_mark {
            longshore_config::EndMark::Required => EndMark::Required,
            longshore_config::EndMark::Optional => EndMark::Optional,
        },
        ..ServerConfig::new(server.name.as_str())
    }
}

/// A choice in the configuration is a family: `oip` is spoken over REST and over gRPC.
pub(crate) fn dialects(choice: longshore_config::DialectChoice) -> DialectChoice {
    use longshore_config::DialectChoice as Choice;
    let family = match choice {
        Choice::Auto => return DialectChoice::Auto,
        Choice::Native => "native",
        Choice::Openai => "openai",
        Choice::Ollama => "ollama",
        Choice::Oip => "oip",
    };
    let is_of_family = |dialect: &&&'static dyn Dialect| dialect.name().split(['-', '_']).next() == Some(family);
    DialectChoice::Named(dialect::DIALECTS.iter().filter(is_of_family).copied().collect())
}

#[cfg(feature = "engine")]
fn with_engine(
    builder: FleetBuilder,
    config: &Config,
    kept: &KeptEngine,
    has_servers: bool,
) -> Result<FleetBuilder, Failure> {
    use longshore_config::ENGINE_NAME;
    use longshore_engine::{Engine, EngineConfig};

    let engine = &config.engine;
    if !engine.enabled {
        return if has_servers { Ok(builder) } else { Err(nobody("the engine is turned off (engine.enabled)")) };
    }
    let mut last = kept.last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((settings, engine)) = last.as_ref().filter(|(settings, _)| settings == engine) {
        tracing::debug!(?settings, "the engine is kept");
        return Ok(builder.backend(ENGINE_NAME, Arc::clone(engine)));
    }
    let settings = engine.clone();
    let engine = Engine::new(EngineConfig {
        name: ENGINE_NAME.into(),
        models: engine.models.clone(),
        threads: engine.threads as usize,
        slots: engine.slots as usize,
        queue: engine.queue as usize,
        memory_budget: engine.memory_budget.get(),
        preload_builtin: kept.preload,
    });
    let engine = engine.map_err(|error| Failure::call("start the engine", error))?;
    let engine: Arc<dyn Backend> = Arc::new(engine);
    *last = Some((settings, Arc::clone(&engine)));
    Ok(builder.backend(ENGINE_NAME, engine))
}

#[cfg(not(feature = "engine"))]
fn with_engine(builder: FleetBuilder, _: &Config, _: &KeptEngine, has_servers: bool) -> Result<FleetBuilder, Failure> {
    if has_servers { Ok(builder) } else { Err(nobody("this program was built without an engine")) }
}

fn nobody(why: &str) -> Failure {
    let message = format!("no server is configured, and {why}; `longshore config init` begins a configuration");
    Failure::call("find a server", Error::new(ErrorKind::Connect, message).sent(Sent::No))
}
