//! Another configuration while Larder runs: what has it read, what takes effect, what stays, and
//! that nobody who asks meanwhile notices.

mod files;
mod live;
mod load;
mod rules;
mod triggers;
