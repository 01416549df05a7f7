//! What the writer can be asked to do: a closed set, and one `match`.
//!
//! A command is applied inside a transaction and answered after its commit; what came of it waits beside it
//! meanwhile. It may be applied again, by itself, when the batch it was in came to nothing.

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::model::delivery::State;
use crate::model::name::{DeliveryId, Name};
use crate::store::action::{Acted, Action, Entered};
use crate::store::handing::HandOver;
use crate::store::notices::Entry;
use crate::store::queue::Unsaid;
use crate::store::receipts::{Learned, Purse, TakenBack};
use crate::store::sqlite::failure::Failure;
use crate::store::sqlite::work::Work;
use crate::store::sqlite::{accept, actions, claim, finish, forget, handing, notices, own, pauses, receipts};
use crate::store::{Accepted, AppRow, Claim, Finish, NewEvent, Ownership, StoreError, Want};

/// One thing to write.
pub(super) enum Command {
    /// Keep an event.
    Accept { new: Box<NewEvent>, now: Timestamp, asked: Asked<Accepted> },
    /// Grant or renew the right to send.
    Own { app: Name, owner: String, asked: Asked<Ownership> },
    /// Take what goes next.
    Claim { ownership: Ownership, want: Want, now: Timestamp, asked: Asked<Claim> },
    /// Write how an attempt ended.
    Finish { ownership: Ownership, end: Box<Finish>, now: Timestamp, asked: Asked<()> },
    /// Take back a claim that had nothing to say.
    FinishUnsaid { ownership: Ownership, unsaid: Unsaid, now: Timestamp, asked: Asked<()> },
    /// Hand over what waits in a lane.
    HandOver { ownership: Ownership, wanted: Box<HandOver>, now: Timestamp, asked: Asked<u64> },
    /// Write an app's state.
    SaveApp { ownership: Ownership, row: AppRow, asked: Asked<()> },
    /// Take a unit of the month for a call that sends nothing.
    TakeCall { ownership: Ownership, purse: Purse, now: Timestamp, asked: Asked<bool> },
    /// Write who has read a message.
    SaveReceipts { ownership: Ownership, learned: Learned, now: Timestamp, asked: Asked<()> },
    /// Write which messages were taken back.
    SaveRecall { ownership: Ownership, taken_back: TakenBack, asked: Asked<()> },
    /// Do something to a delivery beside the journey.
    Act { id: DeliveryId, action: Action, now: Timestamp, asked: Asked<Acted> },
    /// Do it to some deliveries that are in this state.
    ActOnSome { rows: Vec<i64>, state: State, action: Action, now: Timestamp, asked: Asked<(u64, Vec<Entered>)> },
    /// Pause a lane, or end its pause.
    Pause { receiver: Name, until: Option<Timestamp>, asked: Asked<()> },
    /// Write down what the operator was told.
    Enter { entries: Vec<Entry>, asked: Asked<()> },
    /// Forget what is old.
    Forget { events: Vec<i64>, asked: Asked<u64> },
    /// Find out whether there is room again after a write failed for want of it.
    FindRoom { asked: Asked<()> },
}

/// Who waits for a command, and what came of it so far.
pub(super) struct Asked<T> {
    reply: oneshot::Sender<Result<T, StoreError>>,
    outcome: Option<Result<T, StoreError>>,
}

impl<T> Asked<T> {
    /// Someone who waits, and what they wait for.
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { reply, outcome: None }, answer)
    }

    /// Keeps what came of it. A failure is handed on: its changes must be rolled back.
    fn keep(&mut self, result: Result<T, Failure>) -> Result<(), Failure> {
        let (outcome, done) = match result {
            Ok(value) => (Ok(value), Ok(())),
            Err(failure) => (Err(failure.to_store_error()), Err(failure)),
        };
        self.outcome = Some(outcome);
        done
    }

    fn answer(self, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            // Dropping the reply tells them that nobody did it.
            (None, Ok(())) => return,
        };
        // Who asked may have gone away; what was committed stays.
        let _heard = self.reply.send(outcome);
    }
}

impl Command {
    /// Does it, inside the transaction that is open.
    pub(super) fn apply(&mut self, work: &mut Work) -> Result<(), Failure> {
        match self {
            Self::Accept { new, now, asked } => asked.keep(accept::accept(work, new, *now)),
            Self::Own { app, owner, asked } => asked.keep(own::own(work, app, owner)),
            Self::Claim { ownership, want, now, asked } => asked.keep(claim::claim(work, ownership, want, *now)),
            Self::Finish { ownership, end, now, asked } => asked.keep(finish::finish(work, ownership, end, *now)),
            Self::FinishUnsaid { ownership, unsaid, now, asked } => {
                asked.keep(finish::finish_unsaid(work, ownership, unsaid, *now))
            }
            Self::HandOver { ownership, wanted, now, asked } => {
                asked.keep(handing::hand_over_some(work, ownership, wanted, *now))
            }
            Self::SaveApp { ownership, row, asked } => asked.keep(finish::save_app(work, ownership, row)),
            Self::TakeCall { ownership, purse, now, asked } => {
                asked.keep(receipts::take_call(work, ownership, purse, *now))
            }
            Self::SaveReceipts { ownership, learned, now, asked } => {
                asked.keep(receipts::save(work, ownership, learned, *now))
            }
            Self::SaveRecall { ownership, taken_back, asked } => {
                asked.keep(receipts::save_recall(work, ownership, taken_back))
            }
            Self::Act { id, action, now, asked } => asked.keep(actions::act(work, &id.0, action, *now)),
            Self::ActOnSome { rows, state, action, now, asked } => {
                asked.keep(actions::act_on_some(work, rows, *state, action, *now))
            }
            Self::Pause { receiver, until, asked } => asked.keep(pauses::pause(work, receiver.as_str(), *until)),
            Self::Enter { entries, asked } => asked.keep(notices::enter(work, entries)),
            Self::Forget { events, asked } => asked.keep(forget::forget(work, events)),
            Self::FindRoom { asked } => asked.keep(find_room(work)),
        }
    }

    /// Whether it may have moved deliveries that were kept before. In a storm most commands keep new ones, and nobody
    /// waits for those.
    pub(super) fn moves_deliveries(&self) -> bool {
        !matches!(self, Self::Accept { .. } | Self::Enter { .. })
    }

    /// Tells who asked: what came of it, if it was committed, or else why not.
    pub(super) fn answer(self, committed: Result<(), StoreError>) {
        match self {
            Self::Accept { asked, .. } => asked.answer(committed),
            Self::Own { asked, .. } => asked.answer(committed),
            Self::Claim { asked, .. } => asked.answer(committed),
            Self::Finish { asked, .. }
            | Self::FinishUnsaid { asked, .. }
            | Self::SaveApp { asked, .. }
            | Self::SaveReceipts { asked, .. }
            | Self::SaveRecall { asked, .. }
            | Self::Pause { asked, .. }
            | Self::Enter { asked, .. }
            | Self::FindRoom { asked } => asked.answer(committed),
            Self::TakeCall { asked, .. } => asked.answer(committed),
            Self::Act { asked, .. } => asked.answer(committed),
            Self::ActOnSome { asked, .. } => asked.answer(committed),
            Self::Forget { asked, .. } | Self::HandOver { asked, .. } => asked.answer(committed),
        }
    }
}

/// Takes a few pages and gives them back: SQLite fails here where it would fail for a real event.
fn find_room(work: &mut Work) -> Result<(), Failure> {
    if !work.room.is_enough() {
        return Err(StoreError::NoRoom.into());
    }
    work.conn.execute_batch(
        "savepoint room;
         insert into events (id, source, kind, title, received_at, payload)
             values ('', '', '', '', 0, zeroblob(262144));
         rollback to room;
         release room;",
    )?;
    Ok(())
}
