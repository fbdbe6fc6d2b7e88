//! The commands, one a file. None prints or exits: each hands back what to show and the exit
//! code, or writes to what it is given.

pub mod client;
pub mod demo;
pub mod purge;

/// What a command has to say when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code.
    pub code: u8,
    /// The text: for standard output where the code is 0, else for standard error.
    pub text: String,
}

impl Output {
    /// Done.
    pub fn ok(text: impl Into<String>) -> Self {
        Self {
            code: 0,
            text: text.into(),
        }
    }

    /// Not done.
    pub fn failed(code: u8, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}
