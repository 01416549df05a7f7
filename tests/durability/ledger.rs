//! The ledger: what was promised to senders, against what the relay knows and what arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::answers::ids;
use crate::relay::{House, Posted, Relay};

/// How long everything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Every id that a 202 named.
#[derive(Debug, Default)]
pub struct Ledger {
    promised: BTreeSet<String>,
}

/// What the books say at the end.
#[derive(Debug)]
pub struct Balance {
    /// The ids that were promised.
    pub promised: usize,
    /// Those of them of which the relay knows nothing.
    pub lost: Vec<String>,
    /// The deliveries there are.
    pub deliveries: usize,
    /// The titles of those that never arrived.
    pub never_arrived: Vec<String>,
    /// The titles of those that arrived more than once.
    pub repeated: Vec<String>,
    /// The titles of those that did although nothing says that they may have.
    pub repeated_unmarked: Vec<String>,
}

impl Ledger {
    /// Notes an answer; says whether it was a 202.
    pub fn note(&mut self, answer: &Posted) -> bool {
        let Some((202, body)) = answer else { return false };
        self.promised.extend(ids(body));
        true
    }

    /// Notes the answers of a burst.
    pub fn note_all(&mut self, answers: &[(String, Posted)]) {
        for (_, answer) in answers {
            self.note(answer);
        }
    }

    /// How many ids were promised until now.
    pub fn promised(&self) -> usize {
        self.promised.len()
    }

    /// The ids that were promised and of which the relay knows nothing.
    pub async fn lost(&self, house: &House, relay: &Relay) -> Vec<String> {
        let known: BTreeSet<_> = house.deliveries(relay).await.iter().flat_map(both_ids).collect();
        self.promised.difference(&known).cloned().collect()
    }

    /// Waits until every delivery is delivered, and compares.
    pub async fn balance(&self, house: &House, relay: &Relay) -> Balance {
        let all_delivered = async {
            loop {
                let deliveries = house.deliveries(relay).await;
                if deliveries.iter().all(|delivery| delivery["state"] == "delivered") {
                    return deliveries;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let deliveries = tokio::time::timeout(PATIENCE, all_delivered).await.expect("everything is delivered");
        let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
        for message in house.simulator.messages() {
            *arrived.entry(message.msg_param["title"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let times = |delivery: &Value| arrived.get(delivery["title"].as_str().unwrap()).copied().unwrap_or(0);
        let titles = |which: &dyn Fn(&Value) -> bool| {
            let those = deliveries.iter().filter(|delivery| which(delivery));
            those.map(|delivery| delivery["title"].as_str().unwrap().to_owned()).collect()
        };
        Balance {
            promised: self.promised(),
            lost: self.lost(house, relay).await,
            deliveries: deliveries.len(),
            never_arrived: titles(&|delivery| times(delivery) == 0),
            repeated: titles(&|delivery| times(delivery) > 1),
            repeated_unmarked: titles(&|delivery| times(delivery) > 1 && delivery["possibly_duplicate"] == false),
        }
    }
}

impl Balance {
    /// Nothing is lost, and nothing was shown twice without a word.
    pub fn assert_sound(&self) {
        println!(
            "{} ids promised, {} lost; {} deliveries, {} never arrived, {} arrived again, {} of them unmarked",
            self.promised,
            self.lost.len(),
            self.deliveries,
            self.never_arrived.len(),
            self.repeated.len(),
            self.repeated_unmarked.len()
        );
        assert_eq!(self.lost, [] as [String; 0]);
        assert_eq!(self.never_arrived, [] as [String; 0]);
        assert_eq!(self.repeated_unmarked, [] as [String; 0]);
    }
}

fn both_ids(delivery: &Value) -> [String; 2] {
    ["id", "event"].map(|key| delivery[key].as_str().unwrap().to_owned())
}
