//! Which model files there are: the built-in one, and every `*.gguf` in the models folder.
//!
//! [`Stored`] is a file that was looked at: its header, what it would cost, or why it is refused. Looking reads headers
//! and nothing else. What is loaded is the [`registry`](crate::registry)'s affair.

use std::{
    fs::File,
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use longshore_core::{ModelInfo, ModelKind, text_model};

use crate::{Error, ErrorKind, builtin, gguf::Header, model::Plan, weights::Source};

/// Where a model's bytes are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// In the program.
    BuiltIn,
    /// In a file.
    File(PathBuf),
}

impl Place {
    /// Opens the file and reads its header.
    ///
    /// # Errors
    /// [`ErrorKind::Server`] when the file cannot be opened, or as [`Header::read`].
    pub(crate) fn open(&self) -> Result<(Box<dyn Source>, Header), Error> {
        match self {
            Self::BuiltIn => {
                let header = Header::read(Cursor::new(builtin::GGUF), builtin::GGUF.len() as u64)?;
                Ok((Box::new(Cursor::new(builtin::GGUF)), header))
            }
            Self::File(path) => {
                let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
                let (bytes, mut file) = opened.map_err(|error| unopened(path, error))?;
                let header = Header::read(&mut file, bytes)?;
                Ok((Box::new(file), header))
            }
        }
    }
}

/// A model file that was looked at.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) id: Arc<str>,
    pub(crate) place: Place,
    /// Size and time of change: whoever sees others must look again.
    pub(crate) stamp: Option<(u64, SystemTime)>,
    /// What running it takes, or why it does not run.
    pub(crate) plan: Result<Plan, Error>,
    /// What a listing shows, but for the state.
    pub(crate) info: ModelInfo,
}

impl Stored {
    /// The model that is compiled in.
    pub(crate) fn built_in() -> Self {
        let mut this = Self::look(builtin::ID.into(), Place::BuiltIn, None);
        this.info.name = "Longshore's built-in model".into();
        this
    }

    fn look(id: Arc<str>, place: Place, stamp: Option<(u64, SystemTime)>) -> Self {
        let mut info = ModelInfo::new(id.clone());
        info.size_bytes = stamp.map(|(bytes, _)| bytes);
        if let Place::File(path) = &place {
            info.metadata.insert("file".into(), path.display().to_string());
        }
        let plan = place.open().and_then(|(_, header)| {
            describe(&mut info, &header);
            let plan = Plan::new(&header)?;
            describe_plan(&mut info, &plan);
            Ok(plan)
        });
        Self { id: id.clone(), place, stamp, plan: plan.map_err(|error| error.context("model", &*id)), info }
    }
}

/// The models of a folder; `known` answers for a file that was looked at before and has not changed. Reads the disk.
///
/// # Errors
/// [`ErrorKind::Server`] when the folder cannot be read. One unreadable file is an entry that says so.
pub(crate) fn scan(
    folder: &Path,
    known: impl Fn(&str, (u64, SystemTime)) -> Option<Stored>,
) -> Result<Vec<Stored>, Error> {
    let unreadable = |error: std::io::Error| {
        Error::new(ErrorKind::Server, format!("the models folder {} cannot be read: {error}", folder.display()))
            .caused_by(error)
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let (Some(stem), Some("gguf")) =
            (path.file_stem().and_then(|stem| stem.to_str()), path.extension().and_then(|e| e.to_str()))
        else {
            continue;
        };
        let id: Arc<str> = stem.into();
        if &*id == builtin::ID {
            tracing::warn!(file = %path.display(), "the file has the built-in model's name and is not listed; rename it");
            continue;
        }
        let stamp = path.metadata().and_then(|metadata| Ok((metadata.len(), metadata.modified()?))).ok();
        let before = stamp.and_then(|stamp| known(&id, stamp));
        found.push(before.unwrap_or_else(|| Stored::look(id, Place::File(path), stamp)));
    }
    Ok(found)
}

fn describe(info: &mut ModelInfo, header: &Header) {
    if let Some(name) = header.text("general.name") {
        info.name = name.to_owned();
    }
    let chats = header.text("tokenizer.chat_template").is_some();
    info.kind = if chats { ModelKind::Chat } else { ModelKind::Completion };
    info.family = Some(header.architecture().to_owned());
    info.quantization = Some(header.quantization());
    info.size_bytes = Some(header.file_bytes);
    info.platform = Some("candle_gguf".into());
    info.inputs = text_model::inputs();
    info.outputs = text_model::outputs();
    info.metadata.insert("parameters".into(), header.parameters().to_string());
    for (key, name) in [("general.license", "license"), ("general.description", "description")] {
        if let Some(text) = header.text(key) {
            info.metadata.insert(name.into(), text.to_owned());
        }
    }
}

fn describe_plan(info: &mut ModelInfo, plan: &Plan) {
    info.context_window = Some(plan.shape.context);
    // The prompt takes one token at least.
    info.max_output_tokens = Some(plan.shape.context - 1);
    let mut tell = |name: &str, value: String| info.metadata.insert(name.into(), value);
    tell("embedding_width", plan.shape.width.to_string());
    tell("resident_bytes", plan.resident_bytes.to_string());
    tell("cache_bytes_per_request", plan.shape.cache_bytes().to_string());
    if let Some(note) = plan.family.note {
        tell("note", note.into());
    }
}

fn unopened(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Server, format!("{} cannot be opened: {error}", path.display())).caused_by(error)
}
