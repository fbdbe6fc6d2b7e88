//! Where Larder knowingly does something else than the model's reading of the text, or takes one
//! of the ways that the text leaves open. Each is counted: one that is never met is a dead entry.
//!
//! Of ADR 4, answers that end with their connection, requests whose `Connection` names fields, and
//! `Vary` on fields that Larder rewrites are settled outside the functions compared here.

macro_rules! deviations {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Deviation { $($(#[doc = $doc])+ $name,)+ }

        impl Deviation {
            pub const ALL: &'static [(Deviation, &'static str)] =
                &[$((Deviation::$name, concat!($($doc),+)),)+];
        }
    };
}

deviations! {
    /// RFC 9111 §3: an answer with Set-Cookie may be stored; Larder refuses it unless told otherwise.
    SetCookieRefused,
    /// §4.2.2: a guessed lifetime may be given whoever asked; Larder guesses only without credentials.
    NoGuessForCredentials,
    /// §4.2.2: a guess may be of any length; Larder's is a day at most.
    GuessOfADayAtMost,
    /// §3.5 is about what a request with Authorization brought; Larder asks the same of what answers one.
    AuthorizationAnsweredAsStored,
    /// §3.5: s-maxage lets an answer to Authorization be shared; Larder heeds no s-maxage of zero.
    NoSharingForZeroSeconds,
    /// §4.2.1 encourages: a number that cannot be read is stale.
    UnreadableNumberIsStale,
    /// §4.2.1: the first of several values, or stale; Larder takes the smallest.
    SmallestOfSeveral,
    /// §4.2.1: the first of several Expires, or stale; Larder takes it as stale.
    ExpiresTwiceIsStale,
    /// §4.2.3 allows both: the age by Date counts where it is the larger one.
    AgeByDate,
    /// §5.2: an argument where none is defined makes no other directive of a restriction.
    RestrictionWithArgument,
    /// §5.2: what is no directive means nothing; Larder heeds a refusal that is written in it.
    RefusalInWhatIsNone,
    /// §5.2: a permission with an argument that is not defined for it is none.
    PermissionWithArgument,
    /// §5.2.2.7 allows: private with names of fields counts as if it had none.
    QualifiedPrivate,
    /// §5.2.2.4 allows: no-cache with names of fields counts as if it had none.
    QualifiedNoCache,
    /// RFC 9110 §5.6.4: a quote that never closes hides no directive after it.
    UnclosedQuoteHidesNothing,
    /// §3 notes: what is stale at once and has no validator is not worth storing.
    Useless,
    /// §3: an answer to HEAD may be stored; Larder stores none.
    HeadNotStored,
    /// RFC 9110 §9.3.3: POST with freshness may be stored; that is settled before judging.
    PostSettledElsewhere,
    /// §3.3, §3.4: partial content may be stored; Larder does so only under a rule that says so.
    PartNotStored,
    /// §3: 412 and 416 may be stored; they answer a condition or a range, not everybody.
    AnswerToCondition,
    /// §3: a stream may be stored as far as it comes; one without an end never is.
    EndlessStream,
    /// §4.1: an answer with Vary: * may be stored, and never selected; Larder does not store it.
    VaryStarNotStored,
    /// RFC 9110 §12.5.5: a Vary member that cannot be a field name is taken for *.
    VaryUnreadable,
    /// §4.1: an answer in a content coding is selected by Accept-Encoding, named in Vary or not.
    CodedSelectsByEncoding,
    /// §4.1: nominated fields are compared as lists, whose empty members count for nothing.
    EmptyMembersMakeNoDifference,
    /// §4.4: what a write hit may be validated by any validator; Larder asks only with a strong tag.
    StrongTagAfterWrite,
    /// RFC 9110 §13.1.2: of a line that is no list of tags, those before the first fault count.
    TagsBeforeFault,
    /// RFC 9110 §14.2 allows: parts that touch or nearly so are sent as one.
    PartsJoined,
    /// RFC 9110 §14.2 allows: parts that cost more than the whole are not sent.
    PartsDearerThanWhole,
    /// RFC 9110 §14.2 allows: more ranges than anyone needs are ignored.
    TooManyRanges,
    /// RFC 9110 §14.2 allows: ranges of nothing are ignored.
    RangeOfNothing,
}

/// How often each deviation was met.
#[derive(Debug, Clone)]
pub struct Met(Vec<u64>);

impl Met {
    pub fn new() -> Met {
        Met(vec![0; Deviation::ALL.len()])
    }

    pub fn note(&mut self, deviation: Deviation) {
        self.0[deviation as usize] += 1;
    }

    pub fn add(&mut self, other: &Met) {
        for (sum, more) in self.0.iter_mut().zip(&other.0) {
            *sum += more;
        }
    }

    /// Each deviation with its count and text.
    pub fn all(&self) -> impl Iterator<Item = (Deviation, u64, &'static str)> {
        let counted = Deviation::ALL.iter().zip(&self.0);
        counted.map(|((deviation, text), count)| (*deviation, *count, *text))
    }
}
