//! In which coding a client gets an answer: decided here for what is stored, for what a fill brings
//! and for what is passed on.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode, header};

use super::Proxy;
use super::coding::{Brought, Job};
use super::collapse::Arrival;
use super::exchange::Exchange;
use super::problem::Refusal;
use crate::body::stream::Reader;
use crate::body::{Body, Meter, Source};
use crate::codec::Level;
use crate::config::{Compress, Rule};
use crate::fields::coding::{self, Coded, Coding};
use crate::fields::content_length;
use crate::origin::OriginBody;
use crate::policy::coding::{
    Answer, Negotiated, coded_fields, decoded_fields, is_negotiated, is_personal, may_be_decoded, negotiate,
    vary_by_coding,
};
use crate::policy::key;
use crate::policy::storing::{RequestFacts, Terms, says_public};
use crate::store::{Codings, StoredResponse};

impl Exchange {
    /// Whether the request carries any credential.
    fn has_credentials(&self) -> bool {
        let credentials = &self.ruling.config.credentials;
        let mut names = self.head.headers.keys();
        names.any(|name| key::is_credential(name, credentials))
    }

    /// The coding for this client. A client that wants a part gets it of the content itself.
    fn negotiate(&self, answer: Answer<'_>, coded: Coded, negotiated: bool) -> Negotiated {
        if self.asked.no_transform {
            return Negotiated::AsItIs;
        }
        let accepted = self.asked.accepted;
        if self.asks_for_range() && coded == Coded::Identity && !accepted.refuses_identity() {
            return Negotiated::AsItIs;
        }
        negotiate(&self.rule, accepted, answer, coded, negotiated)
    }

    /// How much work codings may take: at first, and later.
    fn levels(&self) -> (Level, Level) {
        let levels = |compress: &Arc<Compress>| (compress.first, compress.later);
        self.rule
            .compress
            .as_ref()
            .map_or((Level::Fast, Level::Best), levels)
    }
}

/// A client's answer, or why it can have none.
pub(super) type Choice<T> = Result<T, Refusal>;

/// A stored response's fields and content in the coding for a client.
pub(super) struct Chosen {
    pub fields: HeaderMap,
    pub body: Body,
}

impl Proxy {
    /// Which codings may be made of an answer that is stored; has its `Vary` say so.
    pub(super) fn codings(
        &self,
        rule: &Rule,
        facts: &RequestFacts,
        terms: &Terms,
        (status, length): (StatusCode, Option<u64>),
        fields: &mut HeaderMap,
        before: Option<&Codings>,
    ) -> Codings {
        let answer = Answer {
            status,
            fields,
            length,
            personal: is_personal(rule, facts.any_credential, terms.public),
        };
        if is_negotiated(rule, answer) {
            vary_by_coding(fields);
            match before {
                Some(before) if before.making().is_some() => before.clone(),
                Some(_) | None => Codings::negotiable(),
            }
        } else {
            if is_decodable(status, fields) {
                vary_by_coding(fields);
            }
            Codings::none()
        }
    }

    /// A stored response in the coding for this client; `None`: as it is stored.
    pub(super) fn chosen(
        self: &Arc<Self>,
        exchange: &Exchange,
        entry: &Arc<StoredResponse>,
    ) -> Option<Choice<Chosen>> {
        let negotiated = entry.codings.making().is_some();
        if !negotiated && entry.coded() == Coded::Identity && !exchange.asked.accepted.refuses_identity() {
            return None;
        }
        if !entry.content.is_whole() {
            return None;
        }
        let answer = Answer {
            status: entry.status,
            fields: &entry.fields,
            length: Some(entry.content.len()),
            personal: is_personal(&exchange.rule, entry.facts.any_credential, entry.terms.public),
        };
        match exchange.negotiate(answer, entry.coded(), negotiated) {
            Negotiated::AsItIs => None,
            Negotiated::NotAcceptable => Some(Err(Refusal::NotAcceptable)),
            Negotiated::Decoded(coding) => {
                let source = Source::Stored {
                    response: entry.clone(),
                    next: 0,
                };
                let mut body = self.decoded(exchange, source, coding);
                let begun = body.begin_at_once().map_err(|_| Refusal::Undecodable);
                let fields = decoded_fields(&entry.fields);
                Some(begun.map(|()| Chosen { fields, body }))
            }
            Negotiated::Coded(coding) => self.coded(exchange, entry, coding),
        }
    }

    fn coded(
        self: &Arc<Self>,
        exchange: &Exchange,
        entry: &Arc<StoredResponse>,
        coding: Coding,
    ) -> Option<Choice<Chosen>> {
        let (first, later) = exchange.levels();
        if let Some((fields, form)) = entry.form(coding) {
            if !exchange.is_head() {
                self.note_coded_hit(entry, form, &exchange.ruling, later);
            }
            return Some(Ok(Chosen {
                fields: fields.clone(),
                body: Body::form(entry.clone(), form.content.clone()),
            }));
        }
        let Some(making) = entry.codings.making() else {
            // It is not compressed but for a client that accepts nothing else.
            let source = Source::Stored {
                response: entry.clone(),
                next: 0,
            };
            let body = self.encoded(source, (coding, first));
            return Some(body.ok_or(Refusal::NotAcceptable).map(|body| Chosen {
                fields: coded_fields(&entry.fields, coding, None),
                body,
            }));
        };
        if exchange.is_head() {
            let is_to_be_had = !making.is_given_up(coding);
            return is_to_be_had.then(|| {
                Ok(Chosen {
                    fields: coded_fields(&entry.fields, coding, None),
                    body: Body::empty(),
                })
            });
        }
        let job = Job {
            making: making.clone(),
            key: entry.key.clone(),
            coding,
            ruling: exchange.ruling.clone(),
            level: first,
        };
        let fields = |length| coded_fields(&entry.fields, coding, length);
        let (fields, body) = match self.coding_of(entry, job) {
            Brought::Whole(beside, content) => (fields(Some(content.len())), Body::form(beside, content)),
            Brought::Coming(reader) => (fields(None), Body::fill(reader, None)),
            Brought::Promised(promised) => {
                let source = Source::Stored {
                    response: entry.clone(),
                    next: 0,
                };
                // Whatever becomes of the job, this client was told that a coding follows.
                let otherwise = Body::encoded(source, (coding, first), self.meter(), None);
                (fields(None), Body::promised(entry.clone(), promised, otherwise))
            }
            Brought::Nothing => return None,
        };
        Some(Ok(Chosen { fields, body }))
    }

    /// Content coded on its way; `None` if there is no memory for that.
    fn encoded(&self, source: Source, (coding, level): (Coding, Level)) -> Option<Body> {
        let room = self.encoder_room(coding, level)?;
        Some(Body::encoded(source, (coding, level), self.meter(), Some(room)))
    }

    /// Where what codecs do is counted.
    fn meter(&self) -> Meter {
        Meter {
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
        }
    }

    fn decoded(&self, exchange: &Exchange, source: Source, coding: Coding) -> Body {
        let cap = exchange.ruling.config.limits.decoded_body;
        Body::decoded(source, coding, cap, self.meter())
    }

    /// What a fill brings in the coding for this client; the reader back where that is none.
    pub(super) async fn arriving_coded(
        self: &Arc<Self>,
        exchange: &Exchange,
        arrival: &Arrival,
        fields: &HeaderMap,
        reader: Reader,
    ) -> Result<Choice<Chosen>, Reader> {
        if !arrival.whole {
            return Err(reader);
        }
        let coded = coding::of(fields);
        let answer = Answer {
            status: arrival.status,
            // The leader's own: they may have what is only for its client.
            fields,
            length: arrival.length,
            personal: is_personal(&exchange.rule, arrival.any_credential, arrival.terms.public),
        };
        match exchange.negotiate(answer, coded, arrival.codings.making().is_some()) {
            Negotiated::AsItIs => Err(reader),
            Negotiated::NotAcceptable => Ok(Err(Refusal::NotAcceptable)),
            Negotiated::Decoded(coding) => {
                let mut body = self.decoded(exchange, Source::Fill(reader), coding);
                let begun = Box::pin(body.begin()).await.map_err(|_| Refusal::Undecodable);
                let fields = decoded_fields(fields);
                Ok(begun.map(|()| Chosen { fields, body }))
            }
            Negotiated::Coded(coding) => {
                let (first, _) = exchange.levels();
                let body = match arrival.codings.making() {
                    None => match self.encoded(Source::Fill(reader), (coding, first)) {
                        Some(body) => body,
                        None => return Ok(Err(Refusal::NotAcceptable)),
                    },
                    Some(making) => {
                        let job = Job {
                            making: making.clone(),
                            key: arrival.key.clone(),
                            coding,
                            ruling: exchange.ruling.clone(),
                            level: first,
                        };
                        let reader = self.coding_of_fill(reader, arrival.length, job)?;
                        Body::fill(reader, None)
                    }
                };
                let fields = coded_fields(fields, coding, None);
                Ok(Ok(Chosen { fields, body }))
            }
        }
    }

    /// The origin's answer in the coding for the client that it is for alone.
    pub(super) async fn passed_coded(
        &self,
        exchange: &Exchange,
        answer: Response<OriginBody>,
    ) -> Choice<Response<Body>> {
        use http_body::Body as _;
        let (mut head, body) = answer.into_parts();
        let length = if exchange.is_head() {
            content_length::told(&head.headers)
        } else {
            body.size_hint().exact()
        };
        let answer = Answer {
            status: head.status,
            fields: &head.headers,
            length,
            personal: is_personal(
                &exchange.rule,
                exchange.has_credentials(),
                says_public(&head.headers),
            ),
        };
        let coded = coding::of(&head.headers);
        let negotiated = is_negotiated(&exchange.rule, answer);
        let chosen = match exchange.negotiate(answer, coded, negotiated) {
            // Without the field anything is acceptable (RFC 9110 §12.5.3), and the origin was asked so.
            Negotiated::Decoded(_) if !exchange.head.headers.contains_key(header::ACCEPT_ENCODING) => {
                Negotiated::AsItIs
            }
            chosen => chosen,
        };
        // What a 304 speaks of may have been coded: whoever freshens by it is to know.
        let of_unknown = head.status == StatusCode::NOT_MODIFIED && exchange.rule.compress.is_some();
        if negotiated || of_unknown || is_decodable(head.status, &head.headers) {
            vary_by_coding(&mut head.headers);
        }
        let source = |body| Source::Origin(Box::new(body));
        let body = match chosen {
            Negotiated::AsItIs => Body::origin(body),
            // A change was made, whatever its answer looks like.
            Negotiated::NotAcceptable if !exchange.head.method.is_safe() => Body::origin(body),
            Negotiated::NotAcceptable => return Err(Refusal::NotAcceptable),
            Negotiated::Coded(coding) if exchange.is_head() => {
                head.headers = coded_fields(&head.headers, coding, None);
                Body::empty()
            }
            Negotiated::Coded(coding) => {
                let level = exchange.levels().0;
                let room = self.encoder_room(coding, level);
                match room {
                    Some(room) => {
                        head.headers = coded_fields(&head.headers, coding, None);
                        Body::encoded(source(body), (coding, level), self.meter(), Some(room))
                    }
                    None if !negotiated && exchange.head.method.is_safe() => {
                        return Err(Refusal::NotAcceptable);
                    }
                    None => Body::origin(body),
                }
            }
            Negotiated::Decoded(coding) => {
                head.headers = decoded_fields(&head.headers);
                if exchange.is_head() {
                    Body::empty()
                } else {
                    let mut body = self.decoded(exchange, source(body), coding);
                    if Box::pin(body.begin()).await.is_err() {
                        return Err(Refusal::Undecodable);
                    }
                    body
                }
            }
        };
        Ok(Response::from_parts(head, body))
    }
}

/// Whether an answer came in a coding that is undone for clients that cannot read it.
fn is_decodable(status: StatusCode, fields: &HeaderMap) -> bool {
    matches!(coding::of(fields), Coded::By(_)) && may_be_decoded(status, fields)
}
