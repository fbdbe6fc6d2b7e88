//! The codings of a stored response's content: those that were made and are kept beside it, and
//! those that are being made, for everyone who asks meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Content, Reservation, StoredResponse};
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
    /// Of content that is on its way itself: as it comes.
    Streamed(Arc<Stream>),
    /// Of content that is there: whole, in a moment.
    Promised(watch::Receiver<Option<Made>>),
    /// It is kept beside the content.
    Kept,
    /// It grew no shorter than what it was made of, or there is no room for it.
    GivenUp,
}

/// What has come of a promise; `None`: nothing.
pub type Made = Option<Arc<NewCoding>>;

/// Content in a coding that was just made.
#[derive(Debug)]
pub struct NewCoding {
    /// The coded content.
    pub content: Content,
    /// The response that it is kept beside, if it is.
    pub beside: Option<Arc<StoredResponse>>,
    /// What it takes of the memory budget where it is not.
    pub room: Option<Reservation>,
}

/// What asking for a coding comes to.
#[derive(Debug)]
pub enum Asked {
    /// It stands beside the content by now.
    Kept,
    /// It is on its way.
    Coming(Reader),
    /// It will be there in a moment.
    Promised(Promised),
    /// Whoever asked has to make it.
    Make,
    /// It is not to be had.
    Nothing,
}

/// A coding that is being made.
#[derive(Debug)]
pub struct Promised(watch::Receiver<Option<Made>>);

impl Promised {
    /// Waits until it is made; `None` if nothing came of it.
    pub async fn made(mut self) -> Made {
        let made = self.0.wait_for(Option::is_some).await;
        made.ok().and_then(|made| made.clone().flatten())
    }
}

/// The duty to make a coding. Dropped without an answer, the next who asks has it.
#[derive(Debug)]
pub struct Promise {
    making: Arc<Making>,
    coding: Coding,
    sender: watch::Sender<Option<Made>>,
}

impl Promise {
    /// For everyone who waits: what was made. From now on it is kept, or given up.
    pub fn fulfil(self, coded: NewCoding) -> Arc<NewCoding> {
        let work = if coded.beside.is_some() {
            Work::Kept
        } else {
            Work::GivenUp
        };
        self.making.set(self.coding, work);
        let coded = Arc::new(coded);
        self.sender.send_replace(Some(Some(coded.clone())));
        coded
    }

    /// The coding is of no use, to anyone.
    pub fn give_up(self) {
        self.making.give_up(self.coding);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut works = self.making.works.lock();
        if let Some(work @ Work::Promised(_)) = works.get_mut(self.coding as usize) {
            *work = Work::NotBegun;
        }
    }
}

impl Making {
    /// Asks for a coding of content that is there.
    pub fn ask(&self, coding: Coding) -> Asked {
        match self.works.lock().get(coding as usize) {
            Some(Work::NotBegun) => Asked::Make,
            Some(Work::Streamed(stream)) => stream.read().map_or(Asked::Nothing, Asked::Coming),
            Some(Work::Promised(made)) => Asked::Promised(Promised(made.clone())),
            Some(Work::Kept) => Asked::Kept,
            Some(Work::GivenUp) | None => Asked::Nothing,
        }
    }

    /// Takes the duty to make a coding of content that is there, and the right to it; `None` if somebody
    /// else has the duty.
    pub fn promise(self: &Arc<Self>, coding: Coding) -> Option<(Promise, Promised)> {
        let mut works = self.works.lock();
        let work = works.get_mut(coding as usize)?;
        if !matches!(work, Work::NotBegun) {
            return None;
        }
        let (sender, receiver) = watch::channel(None);
        *work = Work::Promised(receiver.clone());
        let promise = Promise {
            making: self.clone(),
            coding,
            sender,
        };
        Some((promise, Promised(receiver)))
    }

    /// Takes the duty to make a coding of content that is on its way; `None` if somebody else has it.
    pub fn stream(&self, coding: Coding) -> Option<(Writer, Reader)> {
        let mut works = self.works.lock();
        let work = works.get_mut(coding as usize)?;
        if !matches!(work, Work::NotBegun) {
            return None;
        }
        let (stream, writer) = Stream::new();
        let reader = stream.read()?;
        *work = Work::Streamed(stream);
        Some((writer, reader))
    }

    /// Whether a coding is not to be had, as far as is known.
    pub fn is_given_up(&self, coding: Coding) -> bool {
        matches!(self.works.lock().get(coding as usize), Some(Work::GivenUp))
    }

    /// The coding stands beside the content.
    pub fn kept(&self, coding: Coding) {
        self.set(coding, Work::Kept);
    }

    /// The coding is of no use, to anyone.
    pub fn give_up(&self, coding: Coding) {
        self.set(coding, Work::GivenUp);
    }

    /// As if it had never been asked for.
    pub fn forget(&self, coding: Coding) {
        self.set(coding, Work::NotBegun);
    }

    fn set(&self, coding: Coding, to: Work) {
        if let Some(work) = self.works.lock().get_mut(coding as usize) {
            *work = to;
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
