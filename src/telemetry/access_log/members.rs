//! The members of a line, in either format, appended one after the other. Pure.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::escape::{is_word, push_quoted};
use super::query::{self, Digests};
use crate::config::LogFormat;
use crate::telemetry::decimal::{push_millis, push_number};
use crate::telemetry::timestamp::push_rfc3339;

/// A member's name with what stands around it in each format; made by [`name!`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub json: &'static str,
    pub text: &'static str,
}

/// The name of a member that is not the first.
macro_rules! name {
    ($name:literal) => {
        $crate::telemetry::access_log::members::Name {
            json: concat!(",\"", $name, "\":"),
            text: concat!(" ", $name, "="),
        }
    };
}
pub(super) use name;

/// Appends members to a text.
#[derive(Debug)]
pub(super) struct Members<'a> {
    pub text: &'a mut String,
    pub format: LogFormat,
}

impl Members<'_> {
    /// The first member.
    pub(super) fn time(&mut self, time: SystemTime) {
        match self.format {
            LogFormat::Json => {
                self.text.push_str("{\"time\":\"");
                push_rfc3339(self.text, time);
                self.text.push('"');
            }
            LogFormat::Text => {
                self.text.push_str("time=");
                push_rfc3339(self.text, time);
            }
        }
    }

    /// Text from outside.
    pub(super) fn foreign(&mut self, name: Name, value: &str) {
        self.name(name);
        match self.format {
            LogFormat::Text if is_word(value) => self.text.push_str(value),
            LogFormat::Json | LogFormat::Text => push_quoted(self.text, value),
        }
    }

    /// A word of Larder's own, which needs no escapes.
    pub(super) fn word(&mut self, name: Name, value: &str) {
        self.name(name);
        self.bare_or_quoted(|text| text.push_str(value));
    }

    pub(super) fn number(&mut self, name: Name, value: u64) {
        self.name(name);
        push_number(self.text, value);
    }

    pub(super) fn millis(&mut self, name: Name, value: Duration) {
        self.name(name);
        push_millis(self.text, value);
    }

    /// A member that is there only when it holds.
    pub(super) fn holds(&mut self, name: Name) {
        self.name(name);
        self.text.push_str("true");
    }

    pub(super) fn address(&mut self, name: Name, value: IpAddr) {
        self.name(name);
        self.bare_or_quoted(|text| match value {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                push_number(text, a.into());
                for octet in [b, c, d] {
                    text.push('.');
                    push_number(text, octet.into());
                }
            }
            // Writing to a `String` cannot fail.
            IpAddr::V6(v6) => drop(write!(text, "{v6}")),
        });
    }

    /// A query with its values hidden.
    pub(super) fn query(&mut self, name: Name, value: &str, digests: &Digests) {
        self.name(name);
        match self.format {
            LogFormat::Text if query::is_word_when_hidden(value) => {
                digests.push_hidden(self.text, value);
            }
            LogFormat::Json | LogFormat::Text => {
                self.text.push('"');
                digests.push_hidden(self.text, value);
                self.text.push('"');
            }
        }
    }

    /// Ends the line.
    pub(super) fn end(&mut self) {
        self.text.push_str(match self.format {
            LogFormat::Json => "}\n",
            LogFormat::Text => "\n",
        });
    }

    fn name(&mut self, name: Name) {
        self.text.push_str(match self.format {
            LogFormat::Json => name.json,
            LogFormat::Text => name.text,
        });
    }

    fn bare_or_quoted(&mut self, push: impl FnOnce(&mut String)) {
        match self.format {
            LogFormat::Json => {
                self.text.push('"');
                push(self.text);
                self.text.push('"');
            }
            LogFormat::Text => push(self.text),
        }
    }
}
