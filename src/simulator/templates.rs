//! The message templates: which `msgKey` wants which fields of `msgParam`, and what is said when one is missing.
//!
//! Pure: a template's name and the encoded parameters go in, the parsed parameters or a [`Refusal`] come out. The
//! table is DingTalk's (<https://open.dingtalk.com/document/development/robot-message-type>), spelling and all: the
//! stacked buttons are `actionURL1`, those side by side are `buttonUrl1`.

use serde_json::{Map, Value};

use crate::simulator::refusal::Refusal;

/// The longest `msgParam` DingTalk takes, in bytes of the encoded string.
const LONGEST_PARAM: usize = 15_000;

/// A field that must be there, and the code that says it is not.
type Required = (&'static str, &'static str);

const TEXT: &[Required] = &[("content", "miss.param.contentOfText")];
const MARKDOWN: &[Required] = &[("title", "miss.param.markdownTotitle"), ("text", "miss.param.markdownTotext")];
const IMAGE: &[Required] = &[("photoURL", "miss.param.photoTophotoUrl")];
// No code tells of a missing `picUrl`, so a link without a picture passes.
const LINK: &[Required] = &[
    ("title", "miss.param.titleOfLink"),
    ("text", "miss.param.textOfLink"),
    ("messageUrl", "miss.param.messageUrlOfLink"),
];
const ONE_BUTTON: &[Required] = &[
    ("title", "miss.param.actionCardTotitle"),
    ("text", "miss.param.actionCardTotext"),
    ("singleTitle", "miss.param.actionCardTosingleTitle"),
    ("singleURL", "miss.param.actionCardTosingleUrl"),
];
const BUTTON_TITLE: &str = "miss.param.actionCardTobtnsTotitle";
const BUTTON_URL: &str = "miss.param.actionCardTobtnsToactionUrl";
/// Title, text, and five stacked buttons; a card of N buttons wants the first 2 + 2N.
const STACKED: &[Required] = &[
    ("title", "miss.param.actionCardTotitle"),
    ("text", "miss.param.actionCardTotext"),
    ("actionTitle1", BUTTON_TITLE),
    ("actionURL1", BUTTON_URL),
    ("actionTitle2", BUTTON_TITLE),
    ("actionURL2", BUTTON_URL),
    ("actionTitle3", BUTTON_TITLE),
    ("actionURL3", BUTTON_URL),
    ("actionTitle4", BUTTON_TITLE),
    ("actionURL4", BUTTON_URL),
    ("actionTitle5", BUTTON_TITLE),
    ("actionURL5", BUTTON_URL),
];
const SIDE_BY_SIDE: &[Required] = &[
    ("title", "miss.param.actionCardTotitle"),
    ("text", "miss.param.actionCardTotext"),
    ("buttonTitle1", BUTTON_TITLE),
    ("buttonUrl1", BUTTON_URL),
    ("buttonTitle2", BUTTON_TITLE),
    ("buttonUrl2", BUTTON_URL),
];
const AUDIO: &[Required] = &[("mediaId", "miss.param.audio"), ("duration", "miss.param.audio")];
const FILE: &[Required] =
    &[("mediaId", "miss.param.file"), ("fileName", "miss.param.file"), ("fileType", "miss.param.file")];
const VIDEO: &[Required] =
    &[("duration", "miss.param.video"), ("videoMediaId", "miss.param.video"), ("videoType", "miss.param.video")];

/// The fields a template wants, or nothing if there is no such template.
pub(crate) fn required(msg_key: &str) -> Option<&'static [Required]> {
    let fields = match msg_key {
        "sampleText" => TEXT,
        "sampleMarkdown" => MARKDOWN,
        "sampleImageMsg" => IMAGE,
        "sampleLink" => LINK,
        "sampleActionCard" => ONE_BUTTON,
        "sampleActionCard2" => &STACKED[..6],
        "sampleActionCard3" => &STACKED[..8],
        "sampleActionCard4" => &STACKED[..10],
        "sampleActionCard5" => STACKED,
        "sampleActionCard6" => SIDE_BY_SIDE,
        "sampleAudio" => AUDIO,
        "sampleFile" => FILE,
        "sampleVideo" => VIDEO,
        _ => return None,
    };
    Some(fields)
}

/// Reads `msgParam`: a string that holds a JSON object, short enough, with every field the template wants.
pub(crate) fn read(fields: &[Required], msg_param: Option<&Value>) -> Result<Map<String, Value>, Refusal> {
    let Some(Value::String(encoded)) = msg_param else {
        return Err(Refusal::bad("invalidParameter.msgParam.invalid", "msgParam is not a string"));
    };
    let Ok(Value::Object(param)) = serde_json::from_str(encoded) else {
        return Err(Refusal::bad("invalidParameter.msgParam.invalid", "msgParam does not hold a JSON object"));
    };
    if encoded.len() > LONGEST_PARAM {
        let message = format!("msgParam has {} bytes, {LONGEST_PARAM} are allowed", encoded.len());
        return Err(Refusal::bad("invalidParameter.msgParam.tooLong", message));
    }
    for (name, missing) in fields {
        match param.get(*name) {
            Some(Value::String(text)) if !text.is_empty() => {}
            None | Some(Value::Null | Value::String(_)) => {
                return Err(Refusal::bad(missing, format!("msgParam lacks {name}")));
            }
            Some(_) => {
                let message = format!("{name} of msgParam is not a string");
                return Err(Refusal::bad("invalidParameter.param.invalid", message));
            }
        }
    }
    Ok(param)
}
