//! What Redis is asked for.

/// What Redis is asked for; a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedisOperation {
    /// A stored response is looked for.
    Lookup,
    /// A stored response is written or removed.
    Store,
    /// An event is appended to the log.
    Append,
    /// The log is followed.
    Tail,
    /// The log is joined.
    Join,
    /// A lease is taken or given up.
    Lease,
    /// It is looked up who has applied an event.
    Receipt,
    /// The log is looked at.
    Watch,
}

impl RedisOperation {
    /// How many there are.
    pub(super) const COUNT: usize = 8;

    /// The word in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            RedisOperation::Lookup => "lookup",
            RedisOperation::Store => "store",
            RedisOperation::Append => "append",
            RedisOperation::Tail => "tail",
            RedisOperation::Join => "join",
            RedisOperation::Lease => "lease",
            RedisOperation::Receipt => "receipt",
            RedisOperation::Watch => "watch",
        }
    }
}
