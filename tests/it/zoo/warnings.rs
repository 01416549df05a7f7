//! Warnings that depend on where the configuration runs, and that a good configuration has none.

use dingtalk_relay::app::check::{Checked, check};
use dingtalk_relay::app::warnings::Surroundings;
use dingtalk_relay::config;

const GOOD: &str = "
admin: { listen: 'LISTEN', token: t }
apps: { ops: { region: intl, app_key: k, app_secret: s } }
receivers: { oncall: { app: ops, open_conversation_id: cid1== } }
sources: { am: { kind: alertmanager, auth: { none: true } } }
route: { receiver: oncall, routes: [{ matchers: ['severity=\"critical\"'], receiver: oncall }] }
";

fn warned(listen: &str, surroundings: Surroundings) -> Vec<String> {
    let Checked { warnings, outcome, .. } =
        check(config::draft_from_text(&GOOD.replace("LISTEN", listen)), surroundings);
    assert!(outcome.is_ok());
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_loopback_admin_port_hurts_in_a_container_only() {
    assert_eq!(
        warned("127.0.0.1:8061", Surroundings::Container),
        [
            "admin.listen: 127.0.0.1:8061 is reached from inside this container alone: no probe and no scrape gets there; \
          listen on 0.0.0.0:8061 and set a token"
        ]
    );
    assert_eq!(warned("[::1]:8061", Surroundings::Container).len(), 1);
    assert_eq!(warned("0.0.0.0:8061", Surroundings::Container), [""; 0]);
    assert_eq!(warned("127.0.0.1:8061", Surroundings::Unknown), [""; 0]);
}
