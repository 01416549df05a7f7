//! What the robot's three calls ask, read field by field, and turned away with DingTalk's code for each.
//!
//! Not by a derived deserialiser: DingTalk has a code for every single field, and the order in which fields are
//! looked at is part of what is simulated (token and scope come first and are `world`'s affair; then the JSON, the
//! robot, the template, its parameters, the group). The real order is unknown; this one is the natural reading of the
//! documentation. Knows which robots and groups exist only through [`Strict`].

use serde_json::{Map, Value};

use crate::simulator::messages::{Draft, Question};
use crate::simulator::refusal::Refusal;
use crate::simulator::strict::{Robot, Strict};
use crate::simulator::templates;

/// The largest page of a query.
const LARGEST_PAGE: u64 = 200;
/// The most messages one call may recall.
const MOST_RECALLS: usize = 20;

/// Who calls, and what there is.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) app_key: &'a str,
    pub(crate) strict: Option<&'a Strict>,
}

/// What a recall asks.
#[derive(Debug)]
pub(crate) struct Recall {
    pub(crate) robot_code: String,
    pub(crate) open_conversation_id: String,
    pub(crate) process_query_keys: Vec<String>,
}

/// A body that is a JSON object.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.is_empty() {
        return Err(Refusal::bad("Missingbody", "the request has no body"));
    }
    serde_json::from_slice(body).map_err(|_| Refusal::bad("Invalidbody", "the body is not a JSON object"))
}

/// The group that a body names, whatever else is wrong with it: for the log of calls.
pub(crate) fn named_group(body: &[u8]) -> Option<String> {
    let fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
    fields.get("openConversationId")?.as_str().map(str::to_owned)
}

/// A field that holds text. Absent, null and empty are the same: `missing`.
pub(crate) fn text<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
    missing: &str,
    wrong: &str,
) -> Result<&'a str, Refusal> {
    match fields.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        None | Some(Value::Null | Value::String(_)) => Err(Refusal::bad(missing, format!("{name} is missing"))),
        Some(_) => Err(Refusal::bad(wrong, format!("{name} is not a string"))),
    }
}

/// The same for a field that may be left out.
fn optional_text(fields: &Map<String, Value>, name: &str, wrong: &str) -> Result<Option<String>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::bad(wrong, format!("{name} is not a string"))),
    }
}

const ROBOT_INVALID: &str = "invalidParameter.robotCode.invalid";
const PARAM_INVALID: &str = "invalidParameter.param.invalid";
const CONVERSATION_INVALID: &str = "invalid.openConversationId";
const KEY_MISSING: &str = "invalidParameter.processQueryKey.missing";

impl<'a> Caller<'a> {
    /// Reads a send: <https://open.dingtalk.com/document/orgapp/the-robot-sends-a-group-message>.
    pub(crate) fn read_send(self, body: &[u8]) -> Result<Draft, Refusal> {
        let fields = object(body)?;
        let robot_code = text(&fields, "robotCode", "invalidParameter.robotCode.empty", ROBOT_INVALID)?;
        let robot = self.robot(robot_code)?;
        let invalid = "invalidParameter.msgKey.invalid";
        let msg_key = text(&fields, "msgKey", "invalidParameter.msgKey.empty", invalid)?;
        let Some(required) = templates::required(msg_key) else {
            return Err(Refusal::bad(invalid, format!("there is no template {msg_key:?}")));
        };
        let msg_param = templates::read(required, fields.get("msgParam"))?;
        let conversation =
            text(&fields, "openConversationId", "miss.openConversationId", CONVERSATION_INVALID)?.to_owned();
        self.group(robot, &conversation)?;
        Ok(Draft {
            robot_code: robot_code.to_owned(),
            open_conversation_id: conversation,
            cool_app_code: optional_text(&fields, "coolAppCode", PARAM_INVALID)?,
            msg_key: msg_key.to_owned(),
            msg_param_bytes: fields.get("msgParam").and_then(Value::as_str).map_or(0, str::len),
            msg_param,
        })
    }

    /// Reads a query: <https://help.dingtalk.io/open/development/chatbot-queries-the-read-status-of-a-message>.
    pub(crate) fn read_query(self, body: &[u8]) -> Result<Question, Refusal> {
        let fields = object(body)?;
        let robot_code = text(&fields, "robotCode", "invalidParameter.robotCode.missing", ROBOT_INVALID)?;
        let robot = self.robot(robot_code)?;
        let key = text(&fields, "processQueryKey", KEY_MISSING, "invalid.processQueryKey")?;
        let max_results = match fields.get("maxResults") {
            None | Some(Value::Null) => LARGEST_PAGE,
            Some(asked) => asked.as_u64().filter(|it| (1..=LARGEST_PAGE).contains(it)).ok_or_else(|| {
                let message = format!("maxResults lies between 1 and {LARGEST_PAGE}");
                Refusal::bad("invalidParameter.pageSize.invalid", message)
            })?,
        };
        let next_token = optional_text(&fields, "nextToken", "invalidParameter.cursor.invalid")?;
        let conversation = text(&fields, "openConversationId", "openConversationId.notExisted", CONVERSATION_INVALID)?;
        self.group(robot, conversation)?;
        Ok(Question {
            robot_code: robot_code.to_owned(),
            open_conversation_id: conversation.to_owned(),
            process_query_key: key.to_owned(),
            max_results: usize::try_from(max_results).unwrap_or(usize::MAX),
            next_token,
        })
    }

    /// Reads a recall.
    pub(crate) fn read_recall(self, body: &[u8]) -> Result<Recall, Refusal> {
        let fields = object(body)?;
        let robot_code = text(&fields, "robotCode", "invalidParameter.robotCode.missing", ROBOT_INVALID)?;
        let robot = self.robot(robot_code)?;
        let process_query_keys: Vec<String> = match fields.get("processQueryKeys") {
            None | Some(Value::Null) => Vec::new(),
            Some(keys) => serde_json::from_value(keys.clone())
                .map_err(|_| Refusal::bad(PARAM_INVALID, "processQueryKeys is not an array of strings"))?,
        };
        if process_query_keys.is_empty() {
            return Err(Refusal::bad(KEY_MISSING, "processQueryKeys is missing or empty"));
        }
        if process_query_keys.len() > MOST_RECALLS {
            return Err(Refusal::bad(PARAM_INVALID, format!("one call recalls at most {MOST_RECALLS} messages")));
        }
        let conversation =
            text(&fields, "openConversationId", "miss.openConversationId", CONVERSATION_INVALID)?.to_owned();
        self.group(robot, &conversation)?;
        Ok(Recall { robot_code: robot_code.to_owned(), open_conversation_id: conversation, process_query_keys })
    }

    /// The robot as the strict list has it; nothing if there is no list.
    fn robot(self, robot_code: &str) -> Result<Option<&'a Robot>, Refusal> {
        let Some(strict) = self.strict else { return Ok(None) };
        match strict.robot(robot_code) {
            None => Err(Refusal::bad("invalidParameter.robotCode.notExsit", "there is no such robot")),
            Some((app_key, _)) if app_key != self.app_key => {
                Err(Refusal::bad("invalidParameter.robotCode.auth", "the robot belongs to another app"))
            }
            Some((_, robot)) => Ok(Some(robot)),
        }
    }

    /// Whether the robot is in the group. DingTalk's advice for `notExsit` is to look whether the robot is in it.
    fn group(self, robot: Option<&Robot>, conversation: &str) -> Result<(), Refusal> {
        let (Some(strict), Some(robot)) = (self.strict, robot) else { return Ok(()) };
        if robot.groups.iter().any(|it| it == conversation) {
            return Ok(());
        }
        if strict.has_group(conversation) {
            return Err(Refusal::bad("invalidParameter.robotCode.notExsit", "the robot is not in this group"));
        }
        Err(Refusal::bad(CONVERSATION_INVALID, "there is no such group"))
    }
}
