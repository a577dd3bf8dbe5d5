//! A reply's body becomes events: frames are stamped when they are read, cut, and decoded.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::FutureExt;
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Frame;
use longshore_core::{Error, ErrorKind, Event, EventKind, Finish, Received, ReplyDecoder, Sent, framing::Framer};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};

use super::{clock::Clock, fault, pool::Leased};

/// What stands between the end mark and the body's own end is read for this long, so that the connection can be used
/// again; after that it is closed.
const DRAIN_TIME: Duration = Duration::from_millis(250);

/// At the end mark the connection's own tasks need this many turns to read the body's end and to give the connection
/// back. The end is told after them: the call that follows at once would find the connection gone, and make another.
const TURNS: u8 = 2;

/// How an answer ends that needed no end mark and had none.
const UNMARKED: &str = "no_end_mark";

/// Whether nobody has said that the answer is whole: it only ended, where that is enough.
pub(crate) fn is_unmarked(finish: &Finish) -> bool {
    finish.as_str() == UNMARKED
}

/// Whose answer it is, for errors.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) server: Arc<str>,
    pub(crate) endpoint: Arc<str>,
}

impl Subject {
    /// The same error, with where it happened.
    pub(crate) fn locate(&self, error: Error) -> Error {
        let error = error.context("server", &*self.server);
        if self.endpoint.is_empty() { error } else { error.context("endpoint", &*self.endpoint) }
    }
}

/// The events of one reply. Ends right after [`EventKind::Done`] or an error; dropping it gives the request up.
pub(crate) struct Exchange {
    subject: Arc<Subject>,
    /// `None` once it has ended or is of no use any more.
    body: Option<Leased>,
    framer: Framer,
    /// What the framer's limit is called.
    limit: &'static str,
    decoder: Box<dyn ReplyDecoder>,
    trailers: Option<HeaderMap>,
    clock: Clock,
    generates: bool,
    /// A clean end after content is enough where a model answers.
    unmarked: bool,
    received: Received,
    frames: Vec<Bytes>,
    decoded: Vec<Event>,
    ready: VecDeque<Event>,
    failed: Option<Error>,
    content: bool,
    done: bool,
    /// How often the runtime may still be given a turn before the end is told.
    turns: u8,
}

impl Exchange {
    pub(crate) fn new(
        subject: Arc<Subject>,
        body: Leased,
        (framer, limit): (Framer, &'static str),
        decoder: Box<dyn ReplyDecoder>,
        clock: Clock,
    ) -> Self {
        Self {
            subject,
            body: Some(body),
            framer,
            limit,
            decoder,
            trailers: None,
            clock,
            generates: false,
            unmarked: false,
            received: Received::default(),
            frames: Vec::new(),
            decoded: Vec::new(),
            ready: VecDeque::new(),
            failed: None,
            content: false,
            done: false,
            turns: TURNS,
        }
    }

    /// An error of the server's own after content is an interruption only where content is a part of the answer.
    pub(crate) fn generating(mut self, generates: bool) -> Self {
        self.generates = generates;
        self
    }

    /// Whether an answer may end without its end mark.
    pub(crate) fn unmarked(mut self, unmarked: bool) -> Self {
        self.unmarked = unmarked;
        self
    }

    /// What comes is counted there.
    pub(crate) fn counted(mut self, received: &Received) -> Self {
        self.received = received.clone();
        self
    }

    /// Takes in one frame of the body, or its end.
    fn take(&mut self, frame: Option<Result<Frame<Bytes>, hyper::Error>>) {
        let now = Instant::now();
        self.clock.heard(now);
        let at = self.instant(&frame, now);
        let result = match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => self.take_bytes(at, bytes),
                Err(other) => {
                    self.trailers = other.into_trailers().ok();
                    Ok(())
                }
            },
            Some(Err(error)) => Err(fault::of_body(error)),
            None => self.take_end(at),
        };
        self.sort_decoded();
        if let (Err(error), false) = (result, self.done) {
            let error = self.tell_whose(error, at);
            self.fail(error);
        }
    }

    /// When a frame's bytes came. The kernel's stamp, where there is one, may be that of a later read: never after now.
    fn instant(&self, frame: &Option<Result<Frame<Bytes>, hyper::Error>>, now: Instant) -> Instant {
        let Some(arrival) = self.body.as_ref().and_then(Leased::arrival) else { return now };
        let arrived = arrival.latest().filter(|_| matches!(frame, Some(Ok(_))));
        self.received.add_stamp(arrived.is_some());
        arrived.map_or(now, |arrived| Instant::from_std(arrived).min(now))
    }

    fn take_bytes(&mut self, at: Instant, bytes: Bytes) -> Result<(), Error> {
        self.received.add_bytes(bytes.len());
        let cut = self.framer.push(bytes, &mut self.frames);
        self.decode(at)?;
        // Whoever meets a limit wants to know which it is.
        cut.map_err(|error| match error.kind() {
            ErrorKind::TooLarge => error.context("limit", self.limit),
            _ => at_byte(error, self.framer.start(usize::MAX)),
        })
    }

    fn take_end(&mut self, at: Instant) -> Result<(), Error> {
        self.body = None;
        self.framer.finish(&mut self.frames)?;
        self.decode(at)?;
        let finished = self.decoder.finish(at.into_std(), self.trailers.as_ref(), &mut self.decoded);
        self.sort_decoded();
        if self.done {
            return Ok(());
        }
        let unsaid = || Error::new(ErrorKind::Interrupted, "the answer ended without its end mark");
        self.end_unmarked(at, finished.err().unwrap_or_else(unsaid))
    }

    /// The answer as it is, where that is enough: what came before the end was sound, and no event was cut in two.
    fn end_unmarked(&mut self, at: Instant, missing: Error) -> Result<(), Error> {
        let sound = self.content && self.framer.is_between_frames() && missing.kind() == ErrorKind::Interrupted;
        if !(self.unmarked && self.generates && sound) {
            return Err(missing);
        }
        let Subject { server, endpoint } = &*self.subject;
        tracing::debug!(%server, %endpoint, "an answer ended without its end mark and is taken as whole");
        let kind = EventKind::Done(Finish::Other(UNMARKED.into()));
        self.decoded.push(Event { at: at.into_std(), kind, raw: None });
        Ok(())
    }

    fn decode(&mut self, at: Instant) -> Result<(), Error> {
        for (nth, frame) in self.frames.drain(..).enumerate() {
            let decoded = self.decoder.frame(at.into_std(), frame, &mut self.decoded);
            decoded.map_err(|error| at_byte(error, self.framer.start(nth)))?;
        }
        Ok(())
    }

    /// Whose time was over, where the server says that somebody's was: our own limits are watched by the clock.
    fn tell_whose(&self, error: Error, at: Instant) -> Error {
        match error.kind() {
            ErrorKind::Timeout if at < self.clock.deadline() => {
                error.adding("it was the server's own limit, the call's deadline had not passed")
            }
            ErrorKind::Timeout => error.adding("the deadline of the whole call had passed"),
            ErrorKind::Cancelled => error.adding("it was called off at the server, not here"),
            _ => error,
        }
    }

    /// The answer is complete. What has come of the body's end is read, and there is no waiting for more.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(body) = &mut self.body {
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => self.body = None,
                Poll::Pending => break,
            }
        }
        if self.turns == 0 {
            return Poll::Ready(());
        }
        self.turns -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Makes what was decoded ready, up to the end mark.
    fn sort_decoded(&mut self) {
        for event in self.decoded.drain(..) {
            if self.done {
                break;
            }
            if !self.content && event.kind.is_content() {
                self.content = true;
                self.clock.committed();
            }
            self.done = matches!(event.kind, EventKind::Done(_));
            self.ready.push_back(event);
        }
    }

    fn fail(&mut self, error: Error) {
        self.body = None;
        let error = if self.content && self.interrupts(error.kind()) {
            let mut whole = Error::new(ErrorKind::Interrupted, format!("the answer broke off: {}", error.message()))
                .sent(Sent::Yes);
            if let Some(code) = error.server_code() {
                whole = whole.code(code);
            }
            for (what, value) in error.facts() {
                whole = whole.context(what, value);
            }
            whole.caused_by(error)
        } else {
            error
        };
        self.failed = Some(self.subject.locate(error));
    }

    /// Whether an error of this kind after content is an interruption, not an answer.
    fn interrupts(&self, kind: ErrorKind) -> bool {
        match kind {
            ErrorKind::Connect
            | ErrorKind::Timeout
            | ErrorKind::Protocol
            | ErrorKind::TooLarge
            | ErrorKind::Interrupted => true,
            _ => self.generates,
        }
    }
}

impl Stream for Exchange {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.done && this.ready.len() == 1 {
                ready!(this.poll_end(cx));
            }
            if let Some(event) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if let Some(error) = this.failed.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if this.done {
                return Poll::Ready(None);
            }
            let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(frame) => this.take(frame),
                Poll::Pending => match this.clock.poll(cx) {
                    Poll::Ready(error) => this.fail(error),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}

/// Says where in the body it stands: what makes no sense there, a person wants to see.
fn at_byte(error: Error, start: u64) -> Error {
    if error.kind() == ErrorKind::Protocol && start > 0 { error.context("byte", start.to_string()) } else { error }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.done
            && let Some(body) = self.body.take()
        {
            drain(body);
        }
    }
}

/// Reads what is left of a body whose answer is complete. Usually that is the last chunk's end, and it is there.
fn drain(mut body: Leased) {
    let mut rest = async move { while let Some(Ok(_)) = body.frame().await {} }.boxed();
    if (&mut rest).now_or_never().is_some() {
        return;
    }
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(timeout(DRAIN_TIME, rest));
    }
}
