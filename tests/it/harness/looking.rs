//! What the admin port of a [`Bench`] shows, in the bench's own time.

use std::sync::Arc;

use dingtalk_relay::app::lanes::Parts;
use dingtalk_relay::http;
use serde_json::Value;

use crate::harness::Bench;
use crate::http::relay::ask;

impl Bench {
    /// What runs: the configuration, gates and channels.
    pub fn parts(&self) -> Arc<Parts> {
        self.watch.parts()
    }

    /// Reads a path of the admin port.
    pub async fn look(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path).await).unwrap()
    }

    /// The same, whatever it is: a page, too.
    pub async fn read(&self, path: &str) -> String {
        let operator = Arc::new(self.operator());
        let router = http::admin::router(operator, self.live(), &self.config.admin, "127.0.0.1:1".parse().unwrap());
        let answer = ask(router, "GET", path, &[("host", "localhost")], "").await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {answer:?}");
        answer.text
    }

    /// Every delivery as the API lists it, the first accepted one first.
    pub async fn deliveries(&self) -> Vec<Value> {
        let mut list = self.look("/api/v1/deliveries?limit=500").await["deliveries"].as_array().unwrap().clone();
        list.reverse();
        list
    }

    /// How one lane stands, as the API says it.
    pub async fn lane(&self, receiver: &str) -> Value {
        let lanes = self.look("/api/v1/lanes").await;
        lanes["lanes"].as_array().unwrap().iter().find(|lane| lane["receiver"] == receiver).unwrap().clone()
    }
}
