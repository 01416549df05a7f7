//! How the process of a [`Bench`] ends without being asked: nothing is closed, and a call that is under way stays so.
//!
//! What is dropped in the middle is what a kill leaves behind, as far as one process can show it: the deliveries are
//! `sending`, the unit of the month is taken, and nobody knows what came of the call. The real kill is in `crash`.

use dingtalk_relay::dispatch::lane::Step;
use dingtalk_relay::simulator::faults::{Answer, Api};

use crate::harness::{Bench, step};

impl Bench {
    /// The process is killed and starts again, at once.
    pub async fn crash(self) -> Self {
        self.begin_anew().await
    }

    /// It is killed while this receiver's lane waits for the answer of a send, and starts again.
    pub async fn crash_in_a_send(mut self, receiver: &str) -> Self {
        let before = self.simulator.count(Api::Send);
        self.simulator.fault(Api::Send, 1, Answer::Hang);
        let lane = self.lanes.iter_mut().find(|lane| lane.receiver().as_str() == receiver).unwrap();
        let (clock, simulator) = (&self.clock, &self.simulator);
        let stepping = async {
            loop {
                match step(lane, clock.now()).await.unwrap() {
                    Step::Wait(until) => clock.move_to(until),
                    Step::Authorised | Step::Finished => {}
                    Step::Idle | Step::Tried(_) | Step::HandedOver(_) => panic!("it was to make a call and to hang"),
                }
            }
        };
        tokio::select! {
            () = stepping => {}
            () = simulator.called(Api::Send, before + 1) => {}
        }
        self.crash().await
    }

    /// It is killed while this receiver's lane waits for the answer of its next send, or has nothing more to do, and
    /// starts again.
    pub async fn crash_in_the_next_send(mut self, receiver: &str) -> Self {
        let before = self.simulator.count(Api::Send);
        let lane = self.lanes.iter_mut().find(|lane| lane.receiver().as_str() == receiver).unwrap();
        let (clock, simulator) = (&self.clock, &self.simulator);
        let stepping = async { while !matches!(step(lane, clock.now()).await.unwrap(), Step::Idle | Step::Wait(_)) {} };
        tokio::select! {
            biased;
            () = simulator.called(Api::Send, before + 1) => {}
            () = stepping => {}
        }
        self.crash().await
    }
}
