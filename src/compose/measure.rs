//! What a text takes once it stands in a JSON string. DingTalk's limit counts that, not the text.

/// The bytes of a character in a JSON string.
pub(crate) fn encoded_char(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

/// The bytes of a text in a JSON string, without the quotes.
pub(crate) fn encoded_len(text: &str) -> usize {
    text.chars().map(encoded_char).sum()
}

/// Plain text of at most so many encoded bytes; what is longer ends with `…`.
pub(crate) fn clip(text: &str, most: usize) -> String {
    if encoded_len(text) <= most {
        return text.to_owned();
    }
    let Some(mut left) = most.checked_sub("…".len()) else { return String::new() };
    let fits = |c: &char| match left.checked_sub(encoded_char(*c)) {
        Some(less) => {
            left = less;
            true
        }
        None => false,
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_measures_as_json_encodes(text in any::<String>()) {
            prop_assert_eq!(encoded_len(&text), serde_json::to_string(&text).unwrap().len() - 2);
        }

        #[test]
        fn a_clipped_text_fits(text in any::<String>(), most in 0_usize..60) {
            let clipped = clip(&text, most);
            prop_assert!(encoded_len(&clipped) <= most);
            prop_assert!(clipped == text || text.starts_with(clipped.trim_end_matches('…')));
        }
    }

    #[test]
    fn every_control_character_is_measured() {
        let controls: String = ('\0'..='\u{a0}').collect();
        assert_eq!(encoded_len(&controls), serde_json::to_string(&controls).unwrap().len() - 2);
    }
}
