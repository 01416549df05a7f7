//! DingTalk on its bad days: every documented code, every odd answer, limits, an hour without it. Nothing may be lost,
//! nobody hammered, and everything explained.
//!
//! What the codes are stands in `facts`, apart from the table the relay has: the two are compared. No test here takes
//! the time it tells of: lanes are stepped with a clock that the simulator reads too.

mod facts;
