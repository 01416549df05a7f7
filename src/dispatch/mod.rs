//! Lanes: what goes next, and bringing it to DingTalk.
//!
//! One [`lane::Lane`] per receiver. Each unit of its work is [`lane::Lane::step`], to which the time is passed; the
//! loop that repeats it, sleeps and is woken is [`run::run`]. A lane never delays another one, except that lanes of
//! the same channel take turns. What a panic breaks off is ended by [`lane::Lane::broke_off`].

mod broken;
pub mod fallback;
pub mod flow;
pub mod gather;
pub mod lane;
pub mod manner;
pub mod next;
pub mod run;
