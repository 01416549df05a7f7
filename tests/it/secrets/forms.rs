//! The forms in which a secret may slip out: as it is, escaped, encoded, and cut off.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

/// The shortest part of a secret that nobody may see.
const PREFIX: usize = 8;

/// Fails if a part of a secret is told in any form. Who tells the whole tells its beginning, so that is searched.
pub fn nothing_of_it_is_secret(said: &str, secrets: &[String]) {
    for secret in secrets {
        for prefix in prefixes(secret) {
            let line = said.lines().find(|line| line.contains(&prefix));
            assert_eq!(line, None, "{secret} is told as {prefix}");
        }
    }
}

fn prefixes(secret: &str) -> BTreeSet<String> {
    let form = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>();
    let mut forms = vec![
        secret.to_owned(),
        serde_json::to_string(secret).unwrap().trim_start_matches('"').to_owned(),
        format!("{secret:?}").trim_start_matches('"').to_owned(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
        form.replace('+', "%20"),
        form,
    ];
    // In a longer text, such as `user:password`, a secret stands at one of three places of base64's groups.
    for (before, begin) in [(0, 0), (1, 2), (2, 3)] {
        let text = [&vec![0; before], secret.as_bytes()].concat();
        forms.push(BASE64_STANDARD.encode(&text)[begin..].to_owned());
        forms.push(BASE64_URL_SAFE.encode(&text)[begin..].to_owned());
    }
    forms.into_iter().map(|form| form.chars().take(PREFIX).collect()).collect()
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = "pass/word \"of\" ours";
    for said in [
        "a pass/word".to_owned(),
        r#"{"x":"pass/word \"of\" ours"}"#.to_owned(),
        "?x=pass%2Fword+".to_owned(),
        format!("Basic {}", BASE64_STANDARD.encode(format!("a:{secret}"))),
        format!("Basic {}", BASE64_STANDARD.encode(format!("ab:{secret}"))),
        format!("Basic {}", BASE64_STANDARD.encode(format!("abc:{secret}"))),
    ] {
        let found = std::panic::catch_unwind(|| nothing_of_it_is_secret(&said, &[secret.to_owned()]));
        assert!(found.is_err(), "{said}");
    }
    nothing_of_it_is_secret("the password is not told", &[secret.to_owned()]);
}
