//! How a [`Bench`] is told something: the way of a webhook from its decoding on, and of a message that is sent by hand, in
//! the bench's own time.

use std::time::Duration;

use dingtalk_relay::ingest::{Way, Webhook};
use dingtalk_relay::model::name::{DeliveryId, Name};
use dingtalk_relay::operator::send::Letter;
use dingtalk_relay::sources::{Decoded, Sources};
use dingtalk_relay::store::Accepted;

use crate::harness::Bench;

impl Bench {
    /// Accepts a body of the Alertmanager for one receiver.
    pub async fn accept(&self, receiver: &str, body: &[u8]) -> Accepted {
        self.accept_through("alertmanager", None, receiver, body).await
    }

    /// A person sends a message by hand, and does not wait for it.
    pub async fn write(&self, receiver: &str, title: &str, text: &str) -> DeliveryId {
        let [receiver, title, text] = [receiver, title, text].map(str::to_owned);
        let (letter, live) = (Letter { receiver, title, text, wait: Duration::ZERO }, self.live().load_full());
        let (operator, now) = (self.operator(), self.clock.now());
        operator.send(&letter, live.configured(), &live.ingest, "{}".into(), now).await.unwrap()
    }

    /// Accepts a body through any source for one receiver; `event` is what a header says it is.
    pub async fn accept_through(&self, source: &str, event: Option<&str>, receiver: &str, body: &[u8]) -> Accepted {
        let sources = Sources::compile(&self.config.sources).unwrap();
        let source = sources.named(source).unwrap();
        let headers = source.headers(event, body).unwrap();
        let Decoded::Event(event) = source.decode(&headers, body, self.clock.now()).unwrap() else { panic!() };
        let way = Way::Direct(receiver.parse::<Name>().unwrap());
        let (payload, dedup_window, gather) =
            (bytes::Bytes::copy_from_slice(body), source.dedup_window(), source.gather());
        self.ingest.accept(Webhook { event, way, payload, dedup_window, gather }, self.clock.now()).await.unwrap()
    }
}
