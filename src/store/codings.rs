//! The codings of a stored response's content: those that were made and are kept beside it, and
//! those that are being made, for everyone who asks meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;

use super::Content;
use crate::body::stream::{Reader, Stream, Writer};
use crate::codec::Level;
use crate::fields::coding::Coding;

/// Content in a coding that Larder made.
#[derive(Debug, Clone)]
pub struct Form {
    /// The coding.
    pub coding: Coding,
    /// How much work went into it.
    pub level: Level,
    /// The coded content.
    pub content: Content,
}

/// What content is to be had in beside the form it is stored in.
#[derive(Debug, Clone, Default)]
pub struct Codings {
    forms: Vec<Form>,
    /// `None`: it is not negotiated, and goes out as it is stored.
    making: Option<Arc<Making>>,
}

impl Codings {
    /// Nothing but what is stored, for content that is not to be coded.
    pub fn none() -> Self {
        Self::default()
    }

    /// Nothing yet; codings may be made.
    pub fn negotiable() -> Self {
        Self {
            forms: Vec::new(),
            making: Some(Arc::default()),
        }
    }

    /// These, and more may be made.
    pub fn of(forms: Vec<Form>) -> Self {
        Self {
            forms,
            ..Self::negotiable()
        }
    }

    /// The codings that are kept, each once.
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// Where codings are made; `None` where none may be.
    pub fn making(&self) -> Option<&Arc<Making>> {
        self.making.as_ref()
    }

    /// Those, with this in place of the one in the same coding.
    pub fn with(&self, form: Form) -> Self {
        let others = self.forms.iter().filter(|other| other.coding != form.coding);
        let mut forms: Vec<Form> = others.cloned().collect();
        forms.push(form);
        Self {
            forms,
            making: self.making.clone(),
        }
    }

    /// Whether codings of the same content are made in the same place.
    pub fn shares_with(&self, other: &Codings) -> bool {
        match (&self.making, &other.making) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (Some(_) | None, _) => false,
        }
    }
}

/// The codings of one content that are being made. Shared by all stored responses of that content,
/// and by the fill that brings it.
#[derive(Debug, Default)]
pub struct Making {
    /// In the order of [`Coding::ALL`].
    works: Mutex<[Work; 3]>,
    hits: [AtomicU32; 3],
    sharing: AtomicBool,
}

/// How far a coding is.
#[derive(Debug, Default)]
enum Work {
    #[default]
    NotBegun,
    /// As it comes.
    UnderWay(Arc<Stream>),
    /// For those who hold an older copy of the stored response.
    Done(Content),
    /// There was no room for it, or it grew larger than what it was made of.
    GivenUp,
}

/// What asking for a coding comes to.
#[derive(Debug)]
pub enum Asked {
    /// It is there.
    Done(Content),
    /// It is on its way.
    Coming(Reader),
    /// Whoever asked has to make it; `Reader` for the answer.
    Make(Writer, Option<Reader>),
    /// It is not to be had.
    Nothing,
}

impl Making {
    /// Asks for a coding; only the first to ask is told to make it.
    pub fn ask(&self, coding: Coding) -> Asked {
        let mut works = self.works.lock();
        let Some(work) = works.get_mut(coding as usize) else {
            return Asked::Nothing;
        };
        match work {
            Work::Done(content) => Asked::Done(content.clone()),
            Work::UnderWay(stream) => stream.read().map_or(Asked::Nothing, Asked::Coming),
            Work::GivenUp => Asked::Nothing,
            Work::NotBegun => {
                let (stream, writer) = Stream::new();
                let reader = stream.read();
                *work = Work::UnderWay(stream);
                Asked::Make(writer, reader)
            }
        }
    }

    /// The coding is made, for whoever asks from now on; `None`: it is given up.
    pub fn made(&self, coding: Coding, content: Option<Content>) {
        if let Some(work) = self.works.lock().get_mut(coding as usize) {
            *work = content.map_or(Work::GivenUp, Work::Done);
        }
    }

    /// Counts an answer in a coding; how many there have been.
    pub fn hit(&self, coding: Coding) -> u32 {
        let hits = self.hits.get(coding as usize);
        hits.map_or(0, |hits| hits.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
    }

    /// Forgets the answers so far; whether there were any.
    pub fn take_hits(&self) -> bool {
        let taken = self.hits.each_ref().map(|hits| hits.swap(0, Ordering::Relaxed));
        taken.iter().any(|hits| *hits > 0)
    }

    /// Whether the caller is the one to give the codings to other pods: the first since
    /// [`Making::shared`].
    pub fn shares(&self) -> bool {
        !self.sharing.swap(true, Ordering::AcqRel)
    }

    /// The codings made by now are given to other pods.
    pub fn shared(&self) {
        self.sharing.store(false, Ordering::Release);
    }
}
