//! `larder demo`: a slow sample shop, Larder in front of it, and figures that show the difference.

mod driver;
mod live;
mod mix;
pub mod shop;
mod table;
