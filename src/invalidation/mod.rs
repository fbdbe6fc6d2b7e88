//! The invalidation log: events, positions, and what they say of a stored response.
//!
//! A stored response carries the *mark* of its fetch; it is invalid if a matching event is later.
//! Nothing here touches the store: an event costs the same however many entries it hits.
