//! What the origin answers, step by step: gates, pauses, chunks, and every way to break off.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::gate::Gate;

/// One step of an answer.
#[derive(Clone)]
pub enum Step {
    /// Runs something of the test's, such as a commit.
    Run(Arc<dyn Fn() + Send + Sync>),
    /// Waits until a test opens the gate.
    Wait(Gate),
    /// Rests.
    Pause(Duration),
    /// Sends content, framed as the answer is.
    Send(Bytes),
    /// Sends bytes as they are.
    Raw(Bytes),
    /// Resets the connection.
    Reset,
    /// Closes the connection without more.
    Close,
    /// Nothing further, ever, on an open connection.
    Never,
}

impl Step {
    /// Runs `action` when the answer comes to this step.
    pub fn run(action: impl Fn() + Send + Sync + 'static) -> Step {
        Step::Run(Arc::new(action))
    }
}

/// How an answer's content is delimited.
#[derive(Clone, Copy, Debug)]
pub enum Framing {
    /// By this `Content-Length`.
    Length(u64),
    /// By chunks.
    Chunked,
    /// By the connection's end.
    UntilClose,
    /// There is no head of ours: everything is raw.
    Bare,
}

/// A scripted answer.
#[derive(Clone)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
    pub(super) framing: Framing,
    pub(super) before_head: Vec<Step>,
    pub(super) content: Vec<Step>,
    pub(super) trailers: Vec<(String, String)>,
}

impl Answer {
    /// An empty answer with a status.
    pub fn status(status: u16) -> Answer {
        Answer {
            status,
            fields: Vec::new(),
            framing: Framing::Length(0),
            before_head: Vec::new(),
            content: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// 200 with content.
    pub fn ok(content: impl Into<Bytes>) -> Answer {
        Answer::status(200).with(content)
    }

    /// Bytes as they are, in place of an answer.
    pub fn raw(bytes: impl Into<Bytes>) -> Answer {
        let mut answer = Answer::status(200);
        answer.framing = Framing::Bare;
        answer.content.push(Step::Raw(bytes.into()));
        answer
    }

    /// Content with the right `Content-Length`.
    pub fn with(mut self, content: impl Into<Bytes>) -> Answer {
        let content = content.into();
        self.framing = Framing::Length(content.len() as u64);
        self.content.push(Step::Send(content));
        self
    }

    /// A field line.
    pub fn field(mut self, name: &str, value: &str) -> Answer {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same answer with every field value changed by `change`.
    pub fn map_values(mut self, change: impl Fn(&str) -> String) -> Answer {
        for (_, value) in &mut self.fields {
            *value = change(value);
        }
        self
    }

    /// Announces this length, whatever follows.
    pub fn announcing(mut self, length: u64) -> Answer {
        self.framing = Framing::Length(length);
        self
    }

    /// Content ends with the connection.
    pub fn until_close(mut self) -> Answer {
        self.framing = Framing::UntilClose;
        self
    }

    /// One more piece of content whose length was announced.
    pub fn with_more(mut self, content: impl Into<Bytes>) -> Answer {
        self.content.push(Step::Send(content.into()));
        self
    }

    /// One more piece of a chunked answer.
    pub fn chunk(mut self, content: impl Into<Bytes>) -> Answer {
        if matches!(self.framing, Framing::Length(0)) {
            self.framing = Framing::Chunked;
        }
        self.content.push(Step::Send(content.into()));
        self
    }

    /// A line in the trailer section of a chunked answer.
    pub fn trailer(mut self, name: &str, value: &str) -> Answer {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An interim answer before the head.
    pub fn interim(self, status: u16, fields: &[(&str, &str)]) -> Answer {
        let mut text = format!("HTTP/1.1 {status} Interim\r\n");
        for (name, value) in fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        self.first(Step::Raw(text.into()))
    }

    /// A step before the head.
    pub fn first(mut self, step: Step) -> Answer {
        self.before_head.push(step);
        self
    }

    /// A step among the content.
    pub fn then(mut self, step: Step) -> Answer {
        self.content.push(step);
        self
    }

    /// Waits before the head.
    pub fn wait_first(self, gate: &Gate) -> Answer {
        self.first(Step::Wait(gate.clone()))
    }

    /// Waits among the content.
    pub fn wait(self, gate: &Gate) -> Answer {
        self.then(Step::Wait(gate.clone()))
    }

    /// Resets the connection before any byte of the answer.
    pub fn reset_first(self) -> Answer {
        self.first(Step::Reset)
    }

    /// Resets the connection among the content.
    pub fn reset(self) -> Answer {
        self.then(Step::Reset)
    }

    /// Closes the connection here.
    pub fn close(self) -> Answer {
        self.then(Step::Close)
    }

    /// Never answers.
    pub fn never() -> Answer {
        Answer::status(200).first(Step::Never)
    }
}
