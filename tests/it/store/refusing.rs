//! What was refused goes back in a plainer form: at once, uncounted, and the form stays with the delivery until a human
//! brings it back or it goes on elsewhere.

use dingtalk_relay::model::delivery::State;
use dingtalk_relay::model::event::Severity::{Critical, Warning};
use dingtalk_relay::model::form::{Form, Length, Shape};
use dingtalk_relay::model::name::DeliveryId;
use dingtalk_relay::model::outcome::Outcome;
use dingtalk_relay::store::{Next, Ownership};

use crate::store::{Fresh, at, ended, given_up, put_back, want_of};

on_every_store!(
    it_goes_at_once_and_uncounted_before_what_came_later,
    something_worse_may_go_before_it,
    its_form_outlives_the_process,
    its_form_outlives_a_retry_and_another_owner,
    a_human_who_brings_it_back_has_it_said_in_full_again,
    where_it_goes_on_it_is_said_in_full_again,
);

fn plainer() -> Form {
    Form {
        shape: Shape::Text,
        without_links: true,
        without_pictures: true,
        without_mentions: false,
        length: Length::Half,
        refused_with: vec!["contain.unsafe.url".into(), "invalidParameter.msgParam.tooLong".into()],
        together: true,
    }
}

impl Fresh {
    /// A delivery of `oncall` that was refused once.
    async fn refused(&self, ownership: &Ownership) -> DeliveryId {
        let id = self.wait("k", Warning, at(0)).await;
        let claimed = self.next(ownership, at(1)).await.unwrap();
        assert_eq!(claimed.deliveries[0].form, Form::default(), "a new one goes in full");
        self.finish(ownership, ended(&claimed, Outcome::Refused, Next::Plainer(plainer())), at(1)).await.unwrap();
        id
    }

    /// The form of what goes next.
    async fn next_form(&self, ownership: &Ownership) -> Form {
        self.next(ownership, at(2)).await.unwrap().deliveries[0].form.clone()
    }
}

async fn it_goes_at_once_and_uncounted_before_what_came_later(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.refused(&ownership).await;
    store.wait("k", Warning, at(1)).await;
    store.wait("other", Warning, at(1)).await;

    let shown = store.shown(&id).await;
    assert_eq!((shown.state, shown.next_attempt_at, shown.attempts), (State::Queued, None, 1));
    assert_eq!((shown.reason, shown.possibly_duplicate), (None, false));
    let claimed = store.next(&ownership, at(1)).await.unwrap();
    let again = &claimed.deliveries[0];
    assert_eq!((&again.id, &again.form, again.failures), (&id, &plainer(), 0));
}

async fn something_worse_may_go_before_it(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.refused(&ownership).await;
    let worse = store.wait("other", Critical, at(1)).await;
    assert_eq!(store.drain(&ownership, at(2)).await, [worse, id]);
}

async fn its_form_outlives_the_process(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.refused(&ownership).await;

    let store = store.killed();

    let ownership = store.owned_by("me again").await;
    assert_eq!(store.next_form(&ownership).await, plainer());
}

async fn its_form_outlives_a_retry_and_another_owner(store: Fresh) {
    let ownership = store.owned_by("me").await;
    store.refused(&ownership).await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, put_back(&claimed, at(2), true), at(2)).await.unwrap();
    store.next(&ownership, at(2)).await.unwrap();

    let ownership = store.owned_by("another").await;

    assert_eq!(store.next_form(&ownership).await, plainer());
}

async fn a_human_who_brings_it_back_has_it_said_in_full_again(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.refused(&ownership).await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(2)).await.unwrap();

    store.redrive(&id, at(3)).await;

    assert_eq!(store.next_form(&ownership).await, Form::default());
}

async fn where_it_goes_on_it_is_said_in_full_again(store: Fresh) {
    let ownership = store.owned_by("me").await;
    let id = store.refused(&ownership).await;
    let claimed = store.next(&ownership, at(2)).await.unwrap();
    store.finish(&ownership, given_up(&claimed), at(2)).await.unwrap();

    store.hand_over(&id, "night", at(3)).await;

    let there = store.take(&ownership, want_of("night"), at(3)).await.unwrap();
    assert_eq!(there.deliveries[0].form, Form::default());
}
